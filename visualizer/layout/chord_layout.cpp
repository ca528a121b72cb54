#include "visualizer/layout/chord_layout.h"

#include <cmath>

namespace ringattn::viz {

namespace {

constexpr Size largest_flight{70, 26};
constexpr int curve_parts = 24;

float length(Point p) { return std::hypot(p.x, p.y); }

// The point of a rectangle that is nearest to _p_
Point nearest(const Rect& rect, Point p) {
  return {std::clamp(p.x, rect.x, rect.right()), std::clamp(p.y, rect.y, rect.bottom())};
}

}  // namespace

ChordLayout::ChordLayout(const Rect& room, int devices) : devices_(room, devices, 0), room_(room) {
  const Rect& card = cards().front();
  const Rect free = devices_.middle();
  flight_ = {std::min({largest_flight.w, card.w * 0.6f, free.empty() ? card.w : free.w * 0.3f}),
             std::min({largest_flight.h, card.h * 0.6f, free.empty() ? card.h : free.h * 0.3f})};
  flight_.w = std::min(flight_.w, 3 * flight_.h);
}

Point ChordLayout::Curve::at(float t) const {
  const float s = 1 - t;
  return begin * (s * s) + control * (2 * s * t) + end * (t * t);
}

// A quadratic curve. Between cards of one side it bends into the middle, the deeper, the farther the cards are apart;
// and to the right of its direction, so that it is apart from the curve of the other direction
ChordLayout::Curve ChordLayout::curve(int from, int to, float clearance) const {
  const RingLayout::Way a = devices_.inner_side(from), b = devices_.inner_side(to);
  const Point begin = a.at + a.direction * clearance, end = b.at + b.direction * clearance;
  const Point way = end - begin, inward = (a.direction + b.direction) * 0.5f;
  const float distance = std::max(length(way), 1.f);
  const Point right{-way.y / distance, way.x / distance};
  // A curve reaches half of the depth of its control point; a message on it stays between the cards
  const float deepest = 2 * std::max(0.f, depth(a.direction) - flight_.h - 6);
  const float apart = std::min({1.5f * flight_.h, 0.3f * distance, deepest / 3});
  const float bend = std::min({deepest / 5 + 0.2f * distance, deepest - apart, distance});
  return {begin, nearest(room_, (begin + end) * 0.5f + inward * bend + right * apart), end};
}

// The extent of the free middle in a direction
float ChordLayout::depth(Point direction) const {
  const Rect free = devices_.middle();
  return direction.x == 0 ? free.h : direction.y == 0 ? free.w : std::min(free.w, free.h);
}

Rect ChordLayout::flight(int from, int to, double fraction) const {
  const Point inward = devices_.inner_side(from).direction;
  const float clearance = (std::abs(inward.x) * flight_.w + std::abs(inward.y) * flight_.h) / 2 + 3;
  const Point centre = curve(from, to, clearance).at(static_cast<float>(fraction));
  return around(nearest(room_.inset(flight_.w / 2, flight_.h / 2), centre), flight_.w, flight_.h);
}

std::vector<Point> ChordLayout::chord(int from, int to) const {
  const Curve whole = curve(from, to, 0);
  std::vector<Point> points;
  for (int part = 0; part <= curve_parts; ++part)
    points.push_back(whole.at(static_cast<float>(part) / curve_parts));
  return points;
}

}  // namespace ringattn::viz
