#pragma once

#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// A ring with too many devices for cards: a small cell for each device, row by row.
void draw_device_strip(Canvas& canvas, const Rect& room, const Frame& frame);

}  // namespace ringattn::viz
