#pragma once

#include <algorithm>

namespace ringattn::viz {

// All positions and sizes are in points. At display scale 1 the screen is 1600 x 900 points or larger in one direction,
// independent of its pixels.
struct Point {
  float x = 0, y = 0;
  bool operator==(const Point&) const = default;
};

inline Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y}; }
inline Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y}; }
inline Point operator*(Point a, float s) { return {a.x * s, a.y * s}; }

struct Size {
  float w = 0, h = 0;
  bool operator==(const Size&) const = default;
};

struct Rect {
  float x = 0, y = 0, w = 0, h = 0;

  float right() const { return x + w; }
  float bottom() const { return y + h; }
  Point centre() const { return {x + w / 2, y + h / 2}; }
  Point corner() const { return {x, y}; }
  bool empty() const { return !(w > 0 && h > 0); }

  bool contains(Point p) const { return p.x >= x && p.x < right() && p.y >= y && p.y < bottom(); }
  // Whether _r_ lies within this rectangle, up to _slack_ points
  bool contains(const Rect& r, float slack = 0) const {
    return r.x >= x - slack && r.y >= y - slack && r.right() <= right() + slack &&
           r.bottom() <= bottom() + slack;
  }
  bool overlaps(const Rect& r, float slack = 0) const {
    return x + slack < r.right() && r.x + slack < right() && y + slack < r.bottom() && r.y + slack < bottom();
  }

  Rect inset(float dx, float dy) const {
    return {x + dx, y + dy, std::max(0.f, w - 2 * dx), std::max(0.f, h - 2 * dy)};
  }
  Rect inset(float d) const { return inset(d, d); }

  // Cuts a piece off one side and returns it; a further _gap_ points are cut off and stay empty
  Rect take_top(float height, float gap = 0) {
    const Rect piece{x, y, w, std::min(height, h)};
    const float cut = std::min(h, height + gap);
    y += cut, h -= cut;
    return piece;
  }
  Rect take_bottom(float height, float gap = 0) {
    const float part = std::min(height, h);
    const Rect piece{x, bottom() - part, w, part};
    h = std::max(0.f, h - height - gap);
    return piece;
  }
  Rect take_left(float width, float gap = 0) {
    const Rect piece{x, y, std::min(width, w), h};
    const float cut = std::min(w, width + gap);
    x += cut, w -= cut;
    return piece;
  }
  Rect take_right(float width, float gap = 0) {
    const float part = std::min(width, w);
    const Rect piece{right() - part, y, part, h};
    w = std::max(0.f, w - width - gap);
    return piece;
  }

  bool operator==(const Rect&) const = default;
};

inline Rect around(Point centre, float w, float h) { return {centre.x - w / 2, centre.y - h / 2, w, h}; }

}  // namespace ringattn::viz
