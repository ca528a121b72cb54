#pragma once

#include "visualizer/draw/canvas.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// Beside the pointer: the name and the first numbers of the element under it
void draw_tooltip(Canvas& canvas, Size size, const Session& session);

// In a corner: all numbers of the pinned element
void draw_pinned(Canvas& canvas, Size size, const Session& session);

}  // namespace ringattn::viz
