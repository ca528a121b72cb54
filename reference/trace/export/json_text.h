#pragma once

#include <string>
#include <string_view>

namespace ringattn {

// Pieces of JSON, for the writers of traces, which do without a library.

// In double quotes, with escapes. Bytes that are not UTF-8 become U+FFFD
std::string json_text(std::string_view text);

// The shortest of 15 to 17 digits that reads back as the same number; "-inf", "inf" and "nan" in double
// quotes
std::string json_number(double x);

}  // namespace ringattn
