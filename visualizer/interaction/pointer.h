#pragma once

#include <optional>

#include "visualizer/draw/drawing.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// Applies pointer events to a session, based on the last frame.
class Pointer {
 public:
  // Highlights the element under the pointer; moves the playhead, a slider, or a zoomed timeline or matrix while it is
  // dragged
  void moved(Session& session, const Drawing& drawing, Point point);
  // Turns the wheel over a timeline or a matrix: zooms at the pointer, or moves across. In steps of the wheel. Returns
  // whether there is one
  bool scrolled(Session& session, const Drawing& drawing, Point point, double across, double up);
  void button(Session& session, const Drawing& drawing, Point point, bool down);
  // Whether a drag from here moves something
  static bool can_drag(const Session& session, const Drawing& drawing, Point point);

 private:
  // A zoomed panel in the hand of the user
  struct Drag {
    bool matrix = false;  // otherwise a timeline
    Rect rect;            // of the shown part
    Point last;
    Target pinned;  // before: a drag pins nothing
    bool moved = false;
  };
  void drag(Session& session, Point point);
  // Of the zoomed panel under the pointer, if there is one
  static std::optional<Drag> drag_from(const Session& session, const Drawing& drawing, Point point);

  std::optional<Drag> drag_;
  bool scrubbing_ = false;
  std::string sliding_;  // the parameter whose slider is dragged; empty: none
};

// Runs the command of a key, or types the key
void press_key(Session& session, const std::string& key);

}  // namespace ringattn::viz
