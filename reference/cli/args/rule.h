#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace ringattn::cli {

// A rule checks the text of an option as typed, before it is converted. It returns an empty string if the text is
// good, else the rest of a sentence that begins with the option: "must be ...; found ...".
using Rule = std::function<std::string(const std::string& text)>;

Rule whole_number(std::uint64_t minimum, std::uint64_t maximum);
Rule finite_number();
Rule nonnegative_number();
Rule zero_or_between(double minimum, double maximum);
Rule one_of(std::vector<std::string> names);
Rule true_or_false();  // the value of a flag, as in --causal=false
Rule not_empty();
Rule window();    // texts that parse_window() accepts
Rule row_list();  // texts that parse_row_list() accepts

// How far before and after a query its keys may lie; -1: unlimited
struct Window {
  std::int64_t left = -1, right = -1;
};

// "9,-1" -> left 9, right unlimited; empty unless the text is two integers from -1 to 2^62 - 1
std::optional<Window> parse_window(const std::string& text);

// "0,5,17" -> these numbers; "all" -> an empty list. Empty unless the text is "all" or whole numbers
std::optional<std::vector<std::int64_t>> parse_row_list(const std::string& text);

}  // namespace ringattn::cli
