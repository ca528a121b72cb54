#pragma once

#include "visualizer/layout/ring_layout.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// The devices of a ring with too many of them for cards: a small cell for each, with the number of the block that it
// uses, and inside the ring the numbers of some devices.
void draw_device_cells(Canvas& canvas, const RingLayout& layout, const Frame& frame);

}  // namespace ringattn::viz
