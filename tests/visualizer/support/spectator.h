#pragma once

#include "tests/visualizer/support/screen_fixtures.h"
#include "visualizer/interaction/pointer.h"

namespace ringattn::viz {

// A session on a screen with a pointer.
struct Spectator {
  explicit Spectator(const std::string& scene) : session(scene) {
    session.seek(0.4 * session.duration());
    look();
  }

  void look() { drawing = drawn(screen, session); }
  void move(Point point) { pointer.moved(session, drawing, point); }
  void click(Point point) {
    pointer.button(session, drawing, point, true);
    pointer.button(session, drawing, point, false);
  }
  const Element* find(const Target& target) const {
    for (const Element& element : drawing.elements)
      if (element.target == target && drawing.at(element.rect.centre()) == &element) return &element;
    return nullptr;
  }

  HeadlessScreen screen{1600, 900};
  SceneSession session;
  Pointer pointer;
  Drawing drawing;
};

}  // namespace ringattn::viz
