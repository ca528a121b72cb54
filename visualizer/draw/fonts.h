#pragma once

#include <array>

#include "visualizer/draw/drawing.h"

struct ImFont;
struct ImFontAtlas;

namespace ringattn::viz {

// The faces of type, drawn once for one number of pixels a point.
class Fonts {
 public:
  // Adds the faces to _atlas_, which is cleared first
  Fonts(ImFontAtlas& atlas, float unit);

  ImFont& font(Face face) const { return *fonts_[static_cast<std::size_t>(face)]; }
  // Height of a line in points
  static float points(Face face);

 private:
  std::array<ImFont*, faces> fonts_{};
};

}  // namespace ringattn::viz
