#pragma once

#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// The devices of a run whose messages do not go around a ring: each message is on the way from its sender to its
// receiver.
void draw_strategy_stage(Canvas& canvas, const Rect& rect, const Frame& frame);

}  // namespace ringattn::viz
