#pragma once

#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// A ring of more devices than there is room for cards: a small cell for each, row by row.
void draw_device_strip(Canvas& canvas, const Rect& room, const Frame& frame);

}  // namespace ringattn::viz
