#pragma once

#include "visualizer/draw/canvas.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// Beside the pointer: the name and the first numbers of the element under it
void draw_tooltip(Canvas& canvas, Size size, const Session& session);

}  // namespace ringattn::viz
