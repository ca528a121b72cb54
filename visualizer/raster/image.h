#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace ringattn::viz {

// Pixels row by row from the top, (height, width, 4): red, green, blue, 255.
struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> rgba;

  Image() = default;
  Image(int w, int h)
      : width(w), height(h), rgba(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * 4) {}
  std::uint8_t* pixel(int x, int y) {
    return rgba.data() +
           4 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x));
  }
  const std::uint8_t* pixel(int x, int y) const { return const_cast<Image*>(this)->pixel(x, y); }
};

// Replaces the file as a whole, or leaves it unchanged. Throws BadInput if it cannot be written
void write_png(const std::filesystem::path& path, const Image& image);

// Throws BadInput if the file is not a PNG picture
Image read_png(const std::filesystem::path& path);

}  // namespace ringattn::viz
