#pragma once

#include "visualizer/draw/canvas.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// The parameters of the run of free play, each with arrows to step it down and up.
void draw_parameters(Canvas& canvas, const Rect& rect, const Session& session);

}  // namespace ringattn::viz
