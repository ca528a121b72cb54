#pragma once

#include "visualizer/model/session.h"
#include "visualizer/raster/headless_screen.h"

namespace ringattn::viz {

// The screen as it is, drawn without display or GL
Image picture(HeadlessScreen& screen, const Session& session, Drawing* drawing = nullptr);

}  // namespace ringattn::viz
