#pragma once

#include <stdexcept>

namespace ringattn::cli {

// Thrown where a result is wrong, not the input: exit status 1.
class WrongResult : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace ringattn::cli
