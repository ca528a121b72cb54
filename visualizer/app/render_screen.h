#pragma once

#include "visualizer/raster/headless_screen.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// Renders the screen of a session without display or GL; _drawing_ receives the log
Image render_screen(HeadlessScreen& screen, const Session& session, Drawing* drawing = nullptr);

}  // namespace ringattn::viz
