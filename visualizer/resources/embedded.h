#pragma once

#include <string_view>
#include <vector>

namespace ringattn::viz {

// A file that the build put into the program (cmake/embed.cmake), so that it needs no folder of data: fonts,
// scenes, the sources of the engine.
struct EmbeddedFile {
  std::string_view name, bytes;
};
extern const EmbeddedFile* const embedded_files[];  // written by the build; ends with null

// The bytes of the file of that name, "fonts/DejaVuSans.ttf". Throws std::out_of_range where there is none
std::string_view embedded(std::string_view name);

// The names that begin with _folder_, ascending
std::vector<std::string_view> embedded_names(std::string_view folder);

}  // namespace ringattn::viz
