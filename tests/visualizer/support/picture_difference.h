#pragma once

#include <algorithm>
#include <cstdlib>

#include "visualizer/raster/image.h"

namespace ringattn::viz {

// The pixels, in white, where two pictures of the same size differ by more than _tolerance_ of 255 in a channel.
struct PictureDifference {
  Image where;
  std::size_t pixels = 0;

  PictureDifference(const Image& a, const Image& b, int tolerance) : where(a.width, a.height) {
    for (std::size_t i = 0; i < a.rgba.size(); i += 4) {
      int most = 0;
      for (std::size_t c = 0; c < 3; ++c) most = std::max(most, std::abs(a.rgba[i + c] - b.rgba[i + c]));
      std::fill_n(&where.rgba[i], 3, static_cast<std::uint8_t>(most > tolerance ? 255 : most));
      where.rgba[i + 3] = 255;
      pixels += most > tolerance;
    }
  }

  // Fraction of all pixels
  double share() const { return 4 * static_cast<double>(pixels) / static_cast<double>(where.rgba.size()); }
};

inline bool same_size(const Image& a, const Image& b) { return a.width == b.width && a.height == b.height; }

}  // namespace ringattn::viz
