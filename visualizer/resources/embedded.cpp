#include "visualizer/resources/embedded.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace ringattn::viz {

std::string_view embedded(std::string_view name) {
  for (const EmbeddedFile* const* file = embedded_files; *file; ++file) {
    if ((*file)->name == name) return (*file)->bytes;
  }
  throw std::out_of_range("file not embedded in the program: " + std::string(name));
}

std::vector<std::string_view> embedded_names(std::string_view folder) {
  std::vector<std::string_view> names;
  for (const EmbeddedFile* const* file = embedded_files; *file; ++file) {
    if ((*file)->name.substr(0, folder.size()) == folder) names.push_back((*file)->name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace ringattn::viz
