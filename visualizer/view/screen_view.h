#pragma once

#include "visualizer/draw/canvas.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// Draws the whole screen, _size_ points, on the background of the theme: a pure function of the session.
void draw_screen(Canvas& canvas, Size size, const Session& session);

}  // namespace ringattn::viz
