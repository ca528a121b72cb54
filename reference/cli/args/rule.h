#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace ringattn::cli {

// What the text of an option must be: answers with a sentence that says what is wanted and what was found, or with
// nothing where the text is good. Rules see the text as typed, before it is converted.
using Rule = std::function<std::string(const std::string& text)>;

// A whole number from _least_ to _most_
Rule whole_number(std::uint64_t least, std::uint64_t most);

// A finite number
Rule finite_number();

// A number from _least_ to _most_
Rule number_between(double least, double most);

// 0, or a number from _least_ to _most_
Rule zero_or_between(double least, double most);

// One of the names
Rule one_of(std::vector<std::string> names);

// At least one character
Rule not_empty();

// Two integers L,R from -1 on, where -1 is unlimited
Rule window();

}  // namespace ringattn::cli
