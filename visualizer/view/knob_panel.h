#pragma once

#include "visualizer/model/session.h"
#include "visualizer/view/canvas.h"

namespace ringattn::viz {

// What can be turned about the run of free play.
void draw_knobs(Canvas& canvas, const Rect& rect, const Session& session);

}  // namespace ringattn::viz
