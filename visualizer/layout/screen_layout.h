#pragma once

#include "visualizer/layout/arrangement.h"

namespace ringattn::viz {

// The parts of the screen around the panels. Empty where there is no room.
struct ScreenLayout {
  Rect title, caption, controls;
  std::vector<PlacedPanel> panels;
};

struct ScreenOptions {
  float caption = 0;        // how high a scene's words are; 0: it has nothing to say
  bool presenting = false;  // no controls
  std::string zoomed;       // the one panel to show, "ring" or "timeline:1"; empty: all
};

// Whether there is room for the usual margins, the large title and the controls
bool is_small(Size size);

// How far the words of a caption stand from its edges
Size caption_margin(Size size);

ScreenLayout layout_screen(Size size, const Arrangement& arrangement, const ScreenOptions& options);

}  // namespace ringattn::viz
