#pragma once

#include <array>

#include "visualizer/draw/drawing.h"

struct ImFont;
struct ImFontAtlas;

namespace ringattn::viz {

// The typefaces, rendered for a given number of pixels per point.
class Fonts {
 public:
  // Adds the faces to _atlas_, which is cleared first
  Fonts(ImFontAtlas& atlas, float unit);

  ImFont& font(Face face) const { return *fonts_[static_cast<std::size_t>(face)]; }
  // Line height in points
  static float points(Face face);

 private:
  std::array<ImFont*, faces> fonts_{};
};

}  // namespace ringattn::viz
