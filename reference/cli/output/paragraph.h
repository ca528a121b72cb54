#pragma once

#include <string>

namespace ringattn::cli {

// A paragraph of a report, broken into lines of at most 110 characters: the label in the margin, the text
// beside it. The margin is _margin_ characters wide.
std::string paragraph(const std::string& label, const std::string& text, std::size_t margin = 9);

}  // namespace ringattn::cli
