#include "reference/cli/output/paragraph.h"

#include <sstream>

namespace ringattn::cli {

std::string paragraph(const std::string& label, const std::string& text, std::size_t margin) {
  constexpr std::size_t width = 110;
  const std::string blank(margin, ' ');
  std::string result, line = label + (label.size() < margin ? blank.substr(label.size()) : " ");
  std::istringstream words(text);
  bool begun = false;
  for (std::string word; words >> word;) {
    if (begun && line.size() + 1 + word.size() > width) {
      result += line + "\n";
      line = blank, begun = false;
    }
    line += (begun ? " " : "") + word;
    begun = true;
  }
  return result + line + "\n";
}

}  // namespace ringattn::cli
