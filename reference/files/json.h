#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace ringattn {

// JSON whose fields keep the order in which they were written.
using Json = nlohmann::ordered_json;

// x, or one of the strings "-inf", "inf" and "nan", for which JSON has no numbers
Json number(double x);

// The value as a text people can read: two blanks a level, a newline at the end. Bytes that are not UTF-8
// become U+FFFD.
std::string pretty(const Json& value);

// Text in double quotes, on one line whatever it holds
std::string in_quotes(std::string_view text);

}  // namespace ringattn
