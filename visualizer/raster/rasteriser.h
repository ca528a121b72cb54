#pragma once

#include "visualizer/raster/image.h"
#include "visualizer/draw/color.h"

struct ImDrawData;

namespace ringattn::viz {

// The one texture that ImGui draws with: the coverage of glyphs, a byte a pixel.
struct GlyphTexture {
  int width = 0, height = 0;
  const std::uint8_t* alpha = nullptr;
};

// Draws ImGui's triangles on the processor: no display, no GL, and the same bytes from every compiler.
Image rasterise(const ImDrawData& data, const GlyphTexture& texture, Color background);

}  // namespace ringattn::viz
