#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace ringattn {

// An error in the input, which the caller can correct. The message is one sentence:
// "[operation] rule; what was found; what to do".
class BadInput : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// Throws BadInput, with the pieces joined to a message, unless the rule holds
template <class... Pieces>
void require(bool rule_holds, const Pieces&... pieces) {
  if (rule_holds) return;
  std::ostringstream sentence;
  (sentence << ... << pieces);
  throw BadInput(sentence.str());
}

}  // namespace ringattn
