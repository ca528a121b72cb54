#include "visualizer/draw/canvas.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>

namespace ringattn::viz {

namespace {

ImU32 ink(Color color) { return IM_COL32(color.r, color.g, color.b, color.a); }
ImVec2 vec(Point p) { return {p.x, p.y}; }

using Polygon = std::vector<ImVec2>;

// The part of a convex polygon with x + y >= bound (_above_), or <= bound
Polygon half(const Polygon& polygon, float bound, bool above) {
  Polygon part;
  const auto depth = [&](ImVec2 p) { return above ? p.x + p.y - bound : bound - p.x - p.y; };
  for (std::size_t i = 0; i < polygon.size(); ++i) {
    const ImVec2 a = polygon[i], b = polygon[(i + 1) % polygon.size()];
    const float from = depth(a), to = depth(b);
    if (from >= 0) part.push_back(a);
    if ((from < 0) != (to < 0)) {
      const float t = from / (from - to);
      part.push_back({a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t});
    }
  }
  return part;
}

}  // namespace

Canvas::Canvas(ImDrawList& list, const Fonts& fonts, const Theme& theme, float unit)
    : list_(list), fonts_(fonts), theme_(theme), unit_(unit) {
  // Draw lines as triangles without textures, so that all renderers give the same picture
  list.Flags = ImDrawListFlags_AntiAliasedLines | ImDrawListFlags_AntiAliasedFill |
               (list.Flags & ImDrawListFlags_AllowVtxOffset);
}

// ---- Shapes -----------------------------------------------------------------

// Straight edges lie between pixels, so that adjacent rectangles leave no gap. Rounded rectangles keep their size in
// pixels while they move
Canvas::Pixels Canvas::pixels(const Rect& rect, float radius) const {
  const float x = std::round(rect.x * unit_), y = std::round(rect.y * unit_);
  if (radius > 0) return {x, y, x + whole_pixels(rect.w), y + whole_pixels(rect.h)};
  return {x, y, std::max(x + 1, std::round(rect.right() * unit_)),
          std::max(y + 1, std::round(rect.bottom() * unit_))};
}

float Canvas::whole_pixels(float points) const { return std::max(1.f, std::round(points * unit_)); }

void Canvas::fill(const Rect& rect, Color color, float radius) {
  if (rect.empty()) return;
  const Pixels p = pixels(rect, radius);
  list_.AddRectFilled({p.x0, p.y0}, {p.x1, p.y1}, ink(color), radius * unit_);
}

void Canvas::frame(const Rect& rect, Color color, float thickness, float radius) {
  if (rect.empty()) return;
  // The line lies within the rectangle
  const Pixels p = pixels(rect, radius);
  const float t = std::min({whole_pixels(thickness), p.x1 - p.x0, p.y1 - p.y0});
  if (radius > 0) {
    list_.PathRect({p.x0 + t / 2, p.y0 + t / 2}, {p.x1 - t / 2, p.y1 - t / 2},
                   std::max(0.f, radius * unit_ - t / 2));
    list_.PathStroke(ink(color), ImDrawFlags_Closed, t);
    return;
  }
  // A line without an inside
  if (p.x1 - p.x0 <= 2 * t || p.y1 - p.y0 <= 2 * t)
    return list_.AddRectFilled({p.x0, p.y0}, {p.x1, p.y1}, ink(color));
  list_.AddRectFilled({p.x0, p.y0}, {p.x1, p.y0 + t}, ink(color));
  list_.AddRectFilled({p.x0, p.y1 - t}, {p.x1, p.y1}, ink(color));
  list_.AddRectFilled({p.x0, p.y0 + t}, {p.x0 + t, p.y1 - t}, ink(color));
  list_.AddRectFilled({p.x1 - t, p.y0 + t}, {p.x1, p.y1 - t}, ink(color));
}

void Canvas::hatch(const Rect& rect, Color color, float distance, float thickness) {
  stripes(rect, 0, color, distance, thickness);
}

// Rising stripes, cut to a rounded rectangle. They stay in place while the edges of the rectangle move
void Canvas::stripes(const Rect& rect, float radius, Color color, float distance, float thickness) {
  if (rect.empty()) return;
  const Pixels p = pixels(rect, radius);
  const float across = std::sqrt(2.f) * unit_;
  const float step = distance * across, width = thickness * across;
  // In a low rectangle they look upright, and there may be thousands of these
  if (rect.h < 4) {
    const float y = (p.y0 + p.y1) / 2;
    for (float c = std::floor((p.x0 + y - width) / step) * step; c < p.x1 + y; c += step) {
      const float x0 = std::max(p.x0, std::round(c - y)), x1 = std::min(p.x1, std::round(c - y + width));
      if (x0 < x1) list_.AddRectFilled({x0, p.y0}, {x1, p.y1}, ink(color));
    }
    return;
  }

  list_.PathRect({p.x0, p.y0}, {p.x1, p.y1}, radius * unit_);
  const Polygon outline(list_._Path.begin(), list_._Path.end());
  list_.PathClear();
  for (float c = std::floor((p.x0 + p.y0 - width) / step) * step; c < p.x1 + p.y1; c += step) {
    const Polygon band = half(half(outline, c, true), c + width, false);
    if (band.size() >= 3) list_.AddConvexPolyFilled(band.data(), static_cast<int>(band.size()), ink(color));
  }
}

void Canvas::line(Point a, Point b, Color color, float thickness) {
  const Point from = at(a), to = at(b);
  if (a.x == b.x || a.y == b.y) {
    // The edges of vertical and horizontal lines lie between pixels
    const float t = whole_pixels(thickness);
    const auto [x0, x1] = std::minmax({from.x, to.x});
    const auto [y0, y1] = std::minmax({from.y, to.y});
    const ImVec2 corner{std::round(a.x == b.x ? x0 - t / 2 : x0), std::round(a.x == b.x ? y0 : y0 - t / 2)};
    const ImVec2 other =
        a.x == b.x ? ImVec2{corner.x + t, std::round(y1)} : ImVec2{std::round(x1), corner.y + t};
    list_.AddRectFilled(corner, other, ink(color));
    return;
  }
  list_.PathLineTo(vec(from));
  list_.PathLineTo(vec(to));
  list_.PathStroke(ink(color), ImDrawFlags_None, std::max(1.f, thickness * unit_));
}

void Canvas::polyline(const std::vector<Point>& points, Color color, float thickness) {
  for (const Point& p : points) list_.PathLineTo(vec(at(p)));
  list_.PathStroke(ink(color), ImDrawFlags_None, std::max(1.f, thickness * unit_));
}

void Canvas::dashed(Point a, Point b, Color color, float thickness, float dash) {
  const Point span = b - a;
  const float length = std::hypot(span.x, span.y);
  if (!(length > 0) || !(dash > 0)) return;
  for (float from = 0; from < length; from += 2 * dash) {
    line(a + span * (from / length), a + span * (std::min(length, from + dash) / length), color, thickness);
  }
}

void Canvas::disc(Point centre, float radius, Color color) {
  list_.AddCircleFilled(vec(at(centre)), radius * unit_, ink(color));
}

void Canvas::circle(Point centre, float radius, Color color, float thickness) {
  // ImGui subtracts half a pixel from the radius
  list_.AddCircle(vec(at(centre)), radius * unit_ + 0.5f, ink(color), 0, std::max(1.f, thickness * unit_));
}

void Canvas::arc(Point centre, float radius, float from, float to, Color color, float thickness) {
  list_.PathArcTo(vec(at(centre)), radius * unit_, from, to);
  list_.PathStroke(ink(color), ImDrawFlags_None, std::max(1.f, thickness * unit_));
}

void Canvas::triangle(Point a, Point b, Point c, Color color) {
  // ImGui smooths the edges of clockwise polygons only
  const Point ab = b - a, ac = c - a;
  if (ab.x * ac.y < ab.y * ac.x) std::swap(b, c);
  list_.AddTriangleFilled(vec(at(a)), vec(at(b)), vec(at(c)), ink(color));
}

void Canvas::arrow_head(Point tip, Point direction, float length, Color color) {
  const float norm = std::hypot(direction.x, direction.y);
  if (!(norm > 0)) return;
  const Point along = direction * (length / norm), across = Point{-along.y, along.x} * 0.45f;
  triangle(tip, tip - along + across, tip - along - across, color);
}

void Canvas::block(const Rect& rect, int owner, float radius) {
  const Color color = theme_.of(owner);
  fill(rect, color, radius);
  if (Theme::striped(owner)) stripes(rect, radius, mix(color, rgb(0x000000), 0.2), 9, 3);
}

// ---- The log ----------------------------------------------------------------

Rect Canvas::visible_part(const Rect& rect) const {
  const ImVec4 clip = list_._CmdHeader.ClipRect;
  const float x0 = std::max(rect.x, clip.x / unit_), y0 = std::max(rect.y, clip.y / unit_);
  const float x1 = std::min(rect.right(), clip.z / unit_), y1 = std::min(rect.bottom(), clip.w / unit_);
  return {x0, y0, std::max(0.f, x1 - x0), std::max(0.f, y1 - y0)};
}

void Canvas::element(const Rect& rect, const Target& target, EventId event, std::string label) {
  const Rect part = visible_part(rect);
  if (!part.empty()) drawing_.elements.push_back({target, part, event, std::move(label), layer_, run_});
}

void Canvas::clip(const Rect& rect) {
  const Pixels p = pixels(rect, 0);
  list_.PushClipRect({p.x0, p.y0}, {p.x1, p.y1}, true);
}

void Canvas::unclip() { list_.PopClipRect(); }

}  // namespace ringattn::viz
