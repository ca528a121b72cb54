#pragma once

#include "visualizer/session/session.h"
#include "visualizer/raster/headless_screen.h"

namespace ringattn::viz {

// The screen as it is, drawn without display or GL
Image render_screen(HeadlessScreen& screen, const Session& session, Drawing* drawing = nullptr);

}  // namespace ringattn::viz
