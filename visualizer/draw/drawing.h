#pragma once

#include <string>
#include <vector>

#include "reference/trace/event.h"
#include "visualizer/layout/geometry.h"
#include "visualizer/model/target.h"

namespace ringattn::viz {

// Typefaces by purpose.
enum class Face { small, body, strong, heading, title, code };
constexpr int faces = 6;

// An element of the screen: the pointer can select it, and it names the event that it shows.
struct Element {
  Target target;
  Rect rect;
  EventId event;
  std::string label;  // text of the tooltip
  int layer = 0;
  int run = 0;  // index of the run
};

struct DrawnText {
  std::string text;  // the full text
  Rect rect;         // where it was drawn, within its place
  Face face = Face::body;
  bool cut = false;  // it was shortened or clipped
  int layer = 0;
};

// The content of a frame, for the pointer and for the tests.
struct Drawing {
  std::vector<Element> elements;
  std::vector<DrawnText> texts;

  // The topmost element at _point_; null: none
  const Element* at(Point point) const;
};

}  // namespace ringattn::viz
