#pragma once

#include <string>

namespace ringattn::cli {

// A number of bytes with a binary unit, as in "7.5 MiB"
std::string bytes_text(double count);

}  // namespace ringattn::cli
