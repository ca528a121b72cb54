#pragma once

#include <algorithm>
#include <cstdint>

#include "visualizer/draw/color.h"

namespace ringattn::viz {

// Positions are integers in units of 1/256 pixel, as on a GPU, so that coverage is decided without rounding. A pixel is
// covered if its centre is.
constexpr int fine_bits = 8;
constexpr int fine = 1 << fine_bits;

// The first pixel whose centre is at or after a position
inline int first_pixel(std::int64_t position) {
  return static_cast<int>((position - fine / 2 + fine - 1) >> fine_bits);
}

// A corner of a triangle.
struct Corner {
  int x, y;    // in 1/256 pixels
  float u, v;  // in texels
  Color color;
};

// A side of a triangle, from _a_ to _b_ with the triangle on the right.
struct Edge {
  std::int64_t dx, dy, x, y;
  // A pixel whose centre is on an edge belongs to only one of the two triangles that share the edge
  std::int64_t bias;

  Edge(const Corner& a, const Corner& b)
      : dx(b.x - a.x), dy(b.y - a.y), x(a.x), y(a.y), bias(dy < 0 || (dy == 0 && dx > 0) ? 0 : 1) {}

  // Twice the area between the side and a point; the point is inside if it is >= bias
  std::int64_t distance(std::int64_t px, std::int64_t py) const { return dx * (py - y) - dy * (px - x); }

  // Narrows the pixels [from, to) of the row at py to those that are inside
  void narrow(std::int64_t py, int& from, int& to) const {
    const std::int64_t at_start = dx * (py - y) - bias;
    if (dy == 0) {
      if (at_start < 0) to = from;
    } else if (dy > 0) {
      // inside if px - x <= at_start / dy
      to = std::min(to, first_pixel(x + floor_of(at_start, dy) + 1));
    } else {
      from = std::max(from, first_pixel(x - floor_of(at_start, -dy)));
    }
  }

  static std::int64_t floor_of(std::int64_t a, std::int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }
};

// A triangle, and the interpolation of the values of its corners.
struct Triangle {
  Corner a, b, c;
  Edge ab, bc, ca;
  std::int64_t area;

  Triangle(const Corner& p, const Corner& q, const Corner& r)
      : a(p), b(q), c(r), ab(a, b), bc(b, c), ca(c, a), area(ab.distance(c.x, c.y)) {}

  struct Shares {
    std::int64_t a, b, c;
  };
  Shares shares(std::int64_t px, std::int64_t py) const {
    return {bc.distance(px, py), ca.distance(px, py), ab.distance(px, py)};
  }

  int mixed(const Shares& s, int of_a, int of_b, int of_c) const {
    if (of_a == of_b && of_b == of_c) return of_a;
    return static_cast<int>((s.a * of_a + s.b * of_b + s.c * of_c + area / 2) / area);
  }
  int texel(const Shares& s, float of_a, float of_b, float of_c) const {
    if (of_a == of_b && of_b == of_c) return static_cast<int>(of_a);
    const double sum =
        static_cast<double>(s.a) * of_a + static_cast<double>(s.b) * of_b + static_cast<double>(s.c) * of_c;
    return static_cast<int>(sum / static_cast<double>(area));
  }
};

}  // namespace ringattn::viz
