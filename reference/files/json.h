#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace ringattn {

// JSON whose objects keep their fields in insertion order.
using Json = nlohmann::ordered_json;

// x, or one of the strings "-inf", "inf" and "nan": JSON has no numbers for them
Json number(double x);

// The value as indented text: two spaces for each level, a newline at the end. Bytes that are not valid UTF-8 become
// U+FFFD.
std::string pretty(const Json& value);

}  // namespace ringattn
