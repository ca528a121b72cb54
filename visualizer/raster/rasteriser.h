#pragma once

#include "visualizer/draw/color.h"
#include "visualizer/raster/image.h"

struct ImDrawData;

namespace ringattn::viz {

// The only texture of ImGui: the coverage of glyphs, one byte per pixel.
struct GlyphTexture {
  int width = 0, height = 0;
  const std::uint8_t* alpha = nullptr;
};

// Draws ImGui's triangles on the CPU: no display, no GL, and the same bytes with every compiler.
Image rasterise(const ImDrawData& data, const GlyphTexture& texture, Color background);

}  // namespace ringattn::viz
