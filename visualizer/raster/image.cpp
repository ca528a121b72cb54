#include "visualizer/raster/image.h"

#include <stb_image.h>
#include <stb_image_write.h>

#include <algorithm>
#include <array>
#include <memory>

#include "reference/definition/input/bad_input.h"
#include "reference/files/input_file.h"
#include "reference/files/output_file.h"

namespace ringattn::viz {

namespace {

constexpr std::array<std::uint8_t, 8> signature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
constexpr std::uint64_t largest_file = 256 << 20;
constexpr int largest_side = 16384;

}  // namespace

void write_png(const std::filesystem::path& path, const Image& image) {
  require(image.width > 0 && image.height > 0, "[picture] a picture must have pixels; found ", image.width,
          " x ", image.height, "; give a size such as 1600x900");
  OutputFile file(path);
  // Three bytes per pixel, because all pixels are opaque. stb ends the program if it gets no memory, so reserve once
  // what it takes: the filtered rows, the compressed bytes while they are moved to a larger block, and the hash table
  std::vector<std::uint8_t> rgb;
  rgb.reserve(5 * (image.rgba.size() / 4 * 3) + (4 << 20));
  for (std::size_t i = 0; i < image.rgba.size(); i += 4)
    rgb.insert(rgb.end(), &image.rgba[i], &image.rgba[i] + 3);
  rgb.shrink_to_fit();

  const auto into_stream = [](void* stream, void* data, int size) {
    static_cast<std::ostream*>(stream)->write(static_cast<const char*>(data), size);
  };
  const int written = stbi_write_png_to_func(into_stream, &file.stream(), image.width, image.height, 3,
                                             rgb.data(), 3 * image.width);
  require(written != 0, "[picture] out of memory while compressing ", image.width, " x ", image.height,
          " pixels; choose a smaller size");
  file.commit();
}

Image read_png(const std::filesystem::path& path) {
  InputFile file("picture", path);
  const std::string wanted = file.error_prefix() + "the file must be a PNG picture; ";
  require(file.size() <= largest_file, wanted, "found ", file.size(), " bytes; give a smaller file");
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(file.size()));
  file.read(0, std::as_writable_bytes(std::span(bytes)));
  require(bytes.size() >= signature.size() && std::equal(signature.begin(), signature.end(), bytes.begin()),
          wanted, "found another signature; give another file");

  // Check the header before decoding
  int width = 0, height = 0, channels = 0;
  const int size = static_cast<int>(bytes.size());
  require(stbi_info_from_memory(bytes.data(), size, &width, &height, &channels) && width <= largest_side &&
              height <= largest_side,
          wanted, "found no header, or more than ", largest_side,
          " pixels in width or height; give another file");
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), size, &width, &height, &channels, 4), stbi_image_free);
  require(pixels != nullptr, wanted, "found a damaged file (", stbi_failure_reason(), "); write it again");

  // Make all pixels opaque
  Image image(width, height);
  std::copy_n(pixels.get(), image.rgba.size(), image.rgba.begin());
  for (std::size_t i = 3; i < image.rgba.size(); i += 4) image.rgba[i] = 255;
  return image;
}

}  // namespace ringattn::viz
