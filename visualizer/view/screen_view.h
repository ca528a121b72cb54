#pragma once

#include "visualizer/model/session.h"
#include "visualizer/view/canvas.h"

namespace ringattn::viz {

// The whole screen, of _size_ points: a pure function of the session.
void draw_screen(Canvas& canvas, Size size, const Session& session);

}  // namespace ringattn::viz
