#pragma once

#include "visualizer/session/session.h"
#include "visualizer/draw/canvas.h"

namespace ringattn::viz {

// What is pointed at, beside the pointer: its name and its first numbers
void draw_tooltip(Canvas& canvas, Size size, const Session& session);

// What is held fast, in a corner: all of its numbers
void draw_pinned(Canvas& canvas, Size size, const Session& session);

}  // namespace ringattn::viz
