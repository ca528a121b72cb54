#pragma once

#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// The tile that a matrix shows: if devices compute different heads of it, the heads of the selected device
TileProgress shown_tile(const Frame& frame, int q_owner, int kv_owner);

// What a matrix shows of the heads, for its heading: "heads 2 … 3, of device 1"; empty: all heads at once
std::string shown_heads(const Frame& frame);

// The colour of a computed tile, as the settings choose it; scores have colours of their own
Color tile_color(const Theme& theme, const Frame& frame, const TileProgress& tile, int kv_owner);

// The matrix of a sequence that is too long for cells of its own: one cell for each pair of blocks, in device order
void draw_tile_matrix(Canvas& canvas, const Rect& room, const Frame& frame);

}  // namespace ringattn::viz
