#pragma once

#include "visualizer/session/session.h"
#include "visualizer/draw/drawing.h"

namespace ringattn::viz {

// What the pointer does to a session, from what the last frame shows.
class Pointer {
 public:
  // Lights what it points at; moves the playhead where that was taken hold of
  void moved(Session& session, const Drawing& drawing, Point point);
  void button(Session& session, const Drawing& drawing, Point point, bool down);

 private:
  bool scrubbing_ = false;
};

// What a key does: the command that the table has for it
void press_key(Session& session, const std::string& key);

}  // namespace ringattn::viz
