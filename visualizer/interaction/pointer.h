#pragma once

#include "visualizer/draw/drawing.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// Applies pointer events to a session, based on the last frame.
class Pointer {
 public:
  // Highlights the element under the pointer; moves the playhead or a slider while it is dragged
  void moved(Session& session, const Drawing& drawing, Point point);
  // Turns the wheel over a timeline: zooms at the pointer, or moves along the time. In steps of the wheel
  void scrolled(Session& session, const Drawing& drawing, Point point, double across, double up);
  void button(Session& session, const Drawing& drawing, Point point, bool down);

 private:
  bool scrubbing_ = false;
  std::string sliding_;  // the parameter whose slider is dragged; empty: none
};

// Runs the command of a key, or types the key
void press_key(Session& session, const std::string& key);

}  // namespace ringattn::viz
