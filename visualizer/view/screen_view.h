#pragma once

#include "visualizer/session/session.h"
#include "visualizer/draw/canvas.h"

namespace ringattn::viz {

// The whole screen, of _size_ points, on the paper of the theme: a pure function of the session.
void draw_screen(Canvas& canvas, Size size, const Session& session);

}  // namespace ringattn::viz
