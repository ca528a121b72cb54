#pragma once

#include <cmath>
#include <cstdint>

namespace ringattn::viz {

// sRGB and opacity.
struct Color {
  std::uint8_t r = 0, g = 0, b = 0, a = 255;

  Color with_alpha(double alpha) const {
    return {r, g, b, static_cast<std::uint8_t>(std::lround(alpha * 255))};
  }
  bool operator==(const Color&) const = default;
};

constexpr Color rgb(std::uint32_t hex) {
  return {static_cast<std::uint8_t>(hex >> 16), static_cast<std::uint8_t>(hex >> 8),
          static_cast<std::uint8_t>(hex), 255};
}

// From _a_ at 0 to _b_ at 1
inline Color mix(Color a, Color b, double t) {
  const auto part = [t](std::uint8_t x, std::uint8_t y) {
    return static_cast<std::uint8_t>(std::lround(x + (y - x) * t));
  };
  return {part(a.r, b.r), part(a.g, b.g), part(a.b, b.b), part(a.a, b.a)};
}

}  // namespace ringattn::viz
