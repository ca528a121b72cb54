// Pictures as PNG files, written and read back.

#include <doctest/doctest.h>

#include "tests/support/file_fixtures.h"
#include "visualizer/raster/image.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

Image gradient() {
  Image image(5, 3);
  for (std::size_t i = 0; i < image.rgba.size(); ++i)
    image.rgba[i] = i % 4 == 3 ? 255 : static_cast<std::uint8_t>(4 * i);
  return image;
}

}  // namespace

TEST_CASE("a written picture is read back pixel for pixel") {
  const TemporaryDirectory directory;
  write_png(directory.path / "a.png", gradient());
  const Image again = read_png(directory.path / "a.png");
  CHECK(again.width == 5);
  CHECK(again.height == 3);
  const bool same = again.rgba == gradient().rgba;
  CHECK(same);
  CHECK(directory.files() == 1);
}

TEST_CASE("a picture that cannot be written leaves the old file unchanged") {
  const TemporaryDirectory directory;
  const auto path = write_file(directory.path / "a.png", "before");
  check_message(bad_input_message([&] { write_png(path, Image()); }), "[picture] a picture must have pixels");
  CHECK(read_file(path) == "before");
  check_message(bad_input_message([&] { write_png(directory.path / "missing" / "a.png", gradient()); }),
                "No such file or directory");
  CHECK(directory.files() == 1);
}

TEST_CASE("a file that is not a picture is rejected with a sentence") {
  const TemporaryDirectory directory;
  const auto path = directory.path / "a.png";
  check_message(bad_input_message([&] { read_png(path); }), "found nothing at this path");
  check_message(bad_input_message([&] { read_png(write_file(path, "")); }), "found another signature");
  check_message(bad_input_message([&] { read_png(write_file(path, "a text that was given a wrong name")); }),
                "found another signature");
}

TEST_CASE("a truncated or damaged picture is rejected, wherever the damage is") {
  const TemporaryDirectory directory;
  const auto path = directory.path / "a.png";
  write_png(path, gradient());
  const std::string whole = read_file(path);
  for (std::size_t size = 0; size + 12 < whole.size(); ++size) {
    CHECK(bad_input_message([&] { read_png(write_file(path, whole.substr(0, size))); }) != "");
  }
  // Damage may remain undetected, but must not crash the program
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    bad_input_message([&] { read_png(write_file(path, damaged)); });
  }
}
