#include "visualizer/raster/rasteriser.h"

#include <doctest/doctest.h>
#include <imgui.h>

#include <cmath>
#include <limits>

using namespace ringattn::viz;

namespace {

// A picture of 16 x 16 pixels from given triangles. The texture is white at 0 and has a glyph at 4 .. 8.
struct Triangles {
  static constexpr int side = 16;
  ImDrawList list{nullptr};
  std::vector<std::uint8_t> alpha = std::vector<std::uint8_t>(side * side, 255);
  ImVec4 clip{0, 0, side, side};

  void corner(float x, float y, ImU32 color, float u = 0, float v = 0) {
    list.VtxBuffer.push_back({{x, y}, {u / side, v / side}, color});
  }
  void indices(std::initializer_list<int> numbers) {
    for (const int n : numbers) list.IdxBuffer.push_back(static_cast<ImDrawIdx>(n));
  }
  void rectangle(float x0, float y0, float x1, float y1, ImU32 color) {
    corner(x0, y0, color), corner(x1, y0, color), corner(x1, y1, color), corner(x0, y1, color);
    const int n = list.VtxBuffer.Size - 4;
    indices({n, n + 1, n + 2, n, n + 2, n + 3});
  }

  Image drawn() {
    list.CmdBuffer.clear();
    ImDrawCmd command;
    command.ClipRect = clip;
    command.ElemCount = static_cast<unsigned>(list.IdxBuffer.Size);
    list.CmdBuffer.push_back(command);
    ImDrawList* lists[] = {&list};
    ImDrawData data;
    data.CmdLists = lists;
    data.CmdListsCount = 1;
    data.DisplaySize = {side, side};
    return rasterise(data, {side, side, alpha.data()}, rgb(0x000000));
  }
};

constexpr ImU32 white = IM_COL32_WHITE, half = IM_COL32(255, 255, 255, 128);

int count(const Image& image, int value) {
  int n = 0;
  for (std::size_t i = 0; i < image.rgba.size(); i += 4) n += image.rgba[i] == value;
  return n;
}

}  // namespace

TEST_CASE("a pixel is covered if its centre is") {
  Triangles t;
  t.rectangle(1.4f, 2.6f, 3.6f, 5.5f, white);
  const Image image = t.drawn();
  CHECK(count(image, 255) == 3 * 2);
  CHECK(image.pixel(1, 3)[0] == 255);
  CHECK(image.pixel(3, 4)[0] == 255);
}

TEST_CASE("triangles that share a side cover each pixel once") {
  // Around an inner corner, half transparent: a pixel covered twice would be brighter
  for (const ImVec2 inner : {ImVec2{8, 8}, ImVec2{7.3f, 5.9f}, ImVec2{3.5f, 11.5f}}) {
    Triangles t;
    t.corner(2, 2, half), t.corner(14, 2, half), t.corner(14, 14, half), t.corner(2, 14, half);
    t.corner(inner.x, inner.y, half);
    t.indices({0, 1, 4, 1, 2, 4, 4, 2, 3, 4, 0, 3});  // the last one has the opposite orientation
    CHECK(count(t.drawn(), 128) == 12 * 12);
  }
}

TEST_CASE("a rectangle is the same drawn as a whole or as two triangles") {
  for (const bool letter : {false, true}) {
    Triangles at_once;
    for (int i = 0; i < Triangles::side * Triangles::side; ++i)
      at_once.alpha[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(37 * i);
    const float size = letter ? 4 : 0, u = 4, v = 5;
    const ImU32 color = IM_COL32(200, 100, 50, 180);
    at_once.corner(3, 6, color, u, v), at_once.corner(7, 6, color, u + size, v);
    at_once.corner(7, 10, color, u + size, v + size), at_once.corner(3, 10, color, u, v + size);
    Triangles as_two;
    as_two.alpha = at_once.alpha;
    as_two.list.VtxBuffer = at_once.list.VtxBuffer;
    at_once.indices({0, 1, 2, 0, 2, 3});
    as_two.indices({0, 1, 2, 2, 3, 0});
    const bool same = at_once.drawn().rgba == as_two.drawn().rgba;
    CHECK(same);
    CHECK(count(at_once.drawn(), 0) < 256);
  }
}

TEST_CASE("a transparent colour is blended with the background, rounded to nearest") {
  Triangles t;
  t.rectangle(0, 0, 16, 16, IM_COL32(200, 100, 0, 255));
  t.rectangle(0, 0, 16, 16, IM_COL32(0, 50, 255, 51));
  const Image image = t.drawn();
  const std::uint8_t* pixel = image.pixel(5, 5);
  CHECK(pixel[0] == 160);
  CHECK(pixel[1] == 90);
  CHECK(pixel[2] == 51);
  CHECK(pixel[3] == 255);
}

TEST_CASE("the texture scales the opacity") {
  Triangles t;
  t.alpha[0] = 51;
  t.rectangle(0, 0, 16, 16, white);
  CHECK(count(t.drawn(), 51) == 256);
}

TEST_CASE("a colour is interpolated linearly between corners") {
  Triangles t;
  t.corner(0, 0, IM_COL32(0, 0, 0, 255)), t.corner(16, 0, IM_COL32(160, 0, 0, 255)),
      t.corner(0, 16, IM_COL32(0, 160, 0, 255));
  t.indices({0, 1, 2});
  const Image image = t.drawn();
  for (int x = 0; x < 15; ++x) CHECK(image.pixel(x, 0)[0] == 10 * x + 5);
  for (int y = 0; y < 15; ++y) CHECK(image.pixel(0, y)[1] == 10 * y + 5);
}

TEST_CASE("nothing is drawn outside the clip rectangle") {
  Triangles t;
  t.clip = {4, 5, 9, 7};
  t.rectangle(-5, -5, 40, 40, white);
  t.corner(-9, -9, white), t.corner(50, -9, white), t.corner(-9, 50, white);
  t.indices({4, 5, 6});
  const Image image = t.drawn();
  CHECK(count(image, 255) == 5 * 2);
  CHECK(image.pixel(4, 5)[0] == 255);
  CHECK(image.pixel(8, 6)[0] == 255);
}

TEST_CASE("positions far outside and NaN are safe") {
  constexpr float huge = 1e30f, nowhere = std::numeric_limits<float>::quiet_NaN();
  Triangles t;
  t.rectangle(-huge, 3, huge, 5, white);
  CHECK(count(t.drawn(), 255) == 2 * 16);
  for (const float far : {huge, -huge, nowhere, std::numeric_limits<float>::infinity()}) {
    t.corner(far, 2, white), t.corner(3, far, white), t.corner(far, far, half, far, far);
    const int n = t.list.VtxBuffer.Size;
    t.indices({n - 3, n - 2, n - 1});
    t.drawn();
  }
}

TEST_CASE("vertex offsets of commands are applied") {
  Triangles t;
  t.rectangle(0, 0, 2, 2, white);
  t.rectangle(8, 8, 11, 11, white);
  ImDrawCmd command;
  command.ClipRect = t.clip;
  command.VtxOffset = 4;
  command.ElemCount = 6;
  t.list.CmdBuffer.push_back(command);
  ImDrawList* lists[] = {&t.list};
  ImDrawData data;
  data.CmdLists = lists;
  data.CmdListsCount = 1;
  data.DisplaySize = {16, 16};
  const Image image = rasterise(data, {16, 16, t.alpha.data()}, rgb(0x000000));
  CHECK(count(image, 255) == 9);
  CHECK(image.pixel(8, 8)[0] == 255);
}

TEST_CASE("the pixels are the same with every compiler") {
  // Oblique, shaded, overlapping triangles from a small random number generator
  Triangles t;
  std::uint32_t state = 1;
  const auto next = [&] { return state = 1664525 * state + 1013904223, state >> 8; };
  for (int i = 0; i < 200; ++i) {
    const float x = static_cast<float>(next() % 5120) / 256 - 2;
    const float y = static_cast<float>(next() % 5120) / 256 - 2;
    const ImU32 color = next();
    t.corner(x, y, color << 8 | color >> 16);
    if (i >= 2) t.indices({i - 2, i - 1, i});
  }
  std::uint64_t sum = 14695981039346656037u;  // FNV-1a
  for (const std::uint8_t byte : t.drawn().rgba) sum = (sum ^ byte) * 1099511628211u;
  CHECK(sum == 2311066854451772112u);
}
