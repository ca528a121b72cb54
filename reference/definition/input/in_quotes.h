#pragma once

#include <string>
#include <string_view>

namespace ringattn {

// Untrusted text for an error message: in double quotes, on one line, in valid UTF-8 without control characters.
// Of a text longer than 240 bytes only the first and the last part are shown.
std::string in_quotes(std::string_view text);

}  // namespace ringattn
