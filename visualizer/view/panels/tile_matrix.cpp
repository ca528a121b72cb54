#include "visualizer/view/panels/tile_matrix.h"

#include <algorithm>
#include <string>

#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/strategy_text.h"

namespace ringattn::viz {

TileProgress shown_tile(const Frame& frame, int q_owner, int kv_owner) {
  const Distribution& distribution = frame.recording.distribution();
  if (!distribution.exchanges_heads()) return frame.moment.whole_tile(q_owner, kv_owner);
  return frame.moment.tile(q_owner, kv_owner, distribution.range_of(frame.selection.device));
}

std::string shown_heads(const Frame& frame) {
  const Distribution& distribution = frame.recording.distribution();
  if (!distribution.exchanges_heads() || distribution.group() == 1) return {};
  return heads_text(frame.recording, distribution.range_of(frame.selection.device)) + ", of device " +
         std::to_string(frame.selection.device);
}

Color tile_color(const Theme& theme, const Frame& frame, const TileProgress& tile, int kv_owner) {
  if (frame.settings.matrix == MatrixColoring::device) return theme.of(tile.compute->begin->id.device);
  if (frame.settings.matrix == MatrixColoring::step) {
    const double last = std::max(1, frame.recording.distribution().steps() - 1);
    return mix(theme.zero, theme.positive, (tile.compute->begin->step + 1) / (last + 1));
  }
  return theme.of(kv_owner);
}

void draw_tile_matrix(Canvas& canvas, const Rect& room, const Frame& frame) {
  const Theme& theme = canvas.theme();
  const int P = frame.recording.devices();
  const float line_h = canvas.line_height(Face::small), strip = 5;
  // A square below the names of the axes
  const float side = std::min(room.w - strip - 3, room.h - line_h - strip - 6);
  const float cell = side / static_cast<float>(P);
  const Rect grid{room.x + strip + 3 + (room.w - strip - 3 - side) / 2, room.bottom() - side, side, side};
  canvas.fitting_text(
      {grid.x, grid.y - strip - 5 - line_h, side, line_h},
      {"blocks of queries \xe2\x86\x93, of keys \xe2\x86\x92", "q \xe2\x86\x93, k \xe2\x86\x92"}, Face::small,
      theme.faint_ink);

  const Color blank = mix(theme.panel, theme.outline, 0.4);
  canvas.fill(grid, theme.paper);
  for (int q = 0; q < P; ++q) {
    const float y = grid.y + cell * static_cast<float>(q), x = grid.x + cell * static_cast<float>(q);
    canvas.block({grid.x - strip - 3, y, strip, cell}, q, 0);
    canvas.block({x, grid.y - strip - 3, cell, strip}, q, 0);
    for (int kv = 0; kv < P; ++kv) {
      const TileProgress tile = shown_tile(frame, q, kv);
      // A skipped tile stays empty
      if (!tile.compute || tile.compute->begin->mask_class == "skipped") continue;
      const Rect rect{grid.x + cell * static_cast<float>(kv), y, cell, cell};
      const double part = tile.state == TileProgress::State::not_yet ? 0
                          : tile.state == TileProgress::State::done  ? 1
                                                                     : 0.25 + 0.75 * tile.fraction;
      canvas.fill(cell > 6 ? rect.inset(0.5f) : rect, mix(blank, tile_color(theme, frame, tile, kv), part));
      if (frame.selection.highlights(Target::tile(q, kv)) ||
          frame.selection.highlights(Target::block(frame.recording.header().queries_rotate() ? q : kv)))
        canvas.frame(rect, theme.ink, 1.5f);
      canvas.element(rect, Target::tile(q, kv), tile.compute->begin->id);
    }
  }
}

}  // namespace ringattn::viz
