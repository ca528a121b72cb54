#pragma once

#include <string>
#include <vector>

#include "reference/trace/event.h"
#include "visualizer/layout/geometry.h"
#include "visualizer/model/target.h"

namespace ringattn::viz {

// Faces of type, by their work.
enum class Face { small, body, strong, heading, title, code };
constexpr int faces = 6;

// Something on the screen that means something: it can be pointed at, and it says which event it shows.
struct Element {
  Target target;
  Rect rect;
  EventId event;
  std::string label;  // what a tip says of it
  int layer = 0;
  int run = 0;  // which of the runs that are compared
};

struct DrawnText {
  std::string text;  // as it was meant
  Rect rect;         // where it stands, no larger than its place
  Face face = Face::body;
  bool cut = false;  // it did not fit
  int layer = 0;
};

// What a frame shows, for those who cannot see it: the pointer, the tests.
struct Drawing {
  std::vector<Element> elements;
  std::vector<DrawnText> texts;

  // The topmost element at _point_; null: none
  const Element* at(Point point) const;
};

}  // namespace ringattn::viz
