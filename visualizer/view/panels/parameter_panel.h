#pragma once

#include "visualizer/session/session.h"
#include "visualizer/draw/canvas.h"

namespace ringattn::viz {

// What can be turned about the run of free play.
void draw_parameters(Canvas& canvas, const Rect& rect, const Session& session);

}  // namespace ringattn::viz
