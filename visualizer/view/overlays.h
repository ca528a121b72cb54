#pragma once

#include "visualizer/session/session.h"
#include "visualizer/draw/canvas.h"

namespace ringattn::viz {

// All keys, from the table of commands
void draw_help(Canvas& canvas, Size size);

// Scenes and commands that have what is typed in their name
void draw_search(Canvas& canvas, Size size, const Session& session);

// The note that is being typed
void draw_note_input(Canvas& canvas, Size size, const Session& session);

// The scenes, to pick one
void draw_scene_list(Canvas& canvas, Size size, const Session& session);

}  // namespace ringattn::viz
