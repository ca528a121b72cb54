#pragma once

#include "visualizer/layout/arrangement.h"

namespace ringattn::viz {

// The parts of the screen. A part is empty if there is no room for it.
struct ScreenLayout {
  Rect title, caption, controls;
  std::vector<PlacedPanel> panels;
};

struct ScreenOptions {
  float caption = 0;        // height of the text of a scene; 0: no text
  bool presenting = false;  // no controls
};

// Whether the screen is too small for the usual margins, the large title and the controls
bool is_small(Size size);

// Distance of the text of a caption from its edges
Size caption_margin(Size size);

ScreenLayout layout_screen(Size size, const Arrangement& arrangement, const ScreenOptions& options);

}  // namespace ringattn::viz
