#pragma once

#include "visualizer/draw/canvas.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// The help: all keys, from the table of commands
void draw_help(Canvas& canvas, Size size);

// The search: scenes and commands that match the typed text
void draw_search(Canvas& canvas, Size size, const Session& session);

// The note that is being typed
void draw_note_input(Canvas& canvas, Size size, const Session& session);

// The list of scenes
void draw_scene_list(Canvas& canvas, Size size, const Session& session);

}  // namespace ringattn::viz
