#pragma once

#include <string>
#include <string_view>

namespace ringattn {

// JSON strings and numbers for the trace writers, so that the reference does not depend on a JSON library.

// The text in double quotes, with escapes. Bytes that are not valid UTF-8 become U+FFFD
std::string json_text(std::string_view text);

// The number with the fewest digits, 15 to 17, that read back as the same value. Non-finite numbers are the strings
// "-inf", "inf" and "nan", in double quotes
std::string json_number(double x);

}  // namespace ringattn
