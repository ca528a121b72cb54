#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class Validator;
}

namespace ringattn::cli {

// What the value of an option must be. Each is checked as it was typed, before anything is converted, and
// refused with what is wanted and what was found.

// A whole number from _minimum_ to _maximum_
CLI::Validator whole_number(std::uint64_t minimum, std::uint64_t maximum);

// A finite number
CLI::Validator finite_number();

// 0, or a number from _minimum_ to _maximum_
CLI::Validator zero_or_between(double minimum, double maximum);

// One of the names
CLI::Validator one_of(std::vector<std::string> names);

// At least one character
CLI::Validator non_empty();

}  // namespace ringattn::cli
