#pragma once

#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// The colour of a computed tile, as the settings choose it; scores have colours of their own
Color tile_color(const Theme& theme, const Frame& frame, const TileProgress& tile, int kv_owner);

// The matrix of a sequence that is too long for cells of its own: one cell for each pair of blocks, in device order
void draw_tile_matrix(Canvas& canvas, const Rect& room, const Frame& frame);

}  // namespace ringattn::viz
