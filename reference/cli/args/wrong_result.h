#pragma once

#include <stdexcept>

namespace ringattn::cli {

// Thrown if a result, not the input, is wrong: exit status 1.
class WrongResult : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace ringattn::cli
