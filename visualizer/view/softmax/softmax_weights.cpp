#include <algorithm>
#include <cmath>
#include <string>

#include "visualizer/view/panels/labels.h"
#include "visualizer/view/softmax/softmax_bands.h"

namespace ringattn::viz {

// The weights of the two merged states in l: the state that arrived, divided by its blocks, and the local state
void draw_weights(const SoftmaxView& view, const Rect& band) {
  Canvas& canvas = view.canvas;
  const Theme& theme = canvas.theme();
  const RowUpdate& row = view.picture.row_update();
  Rect room = band;
  const float h = std::min((band.h - 6) / 2, 34.f);
  // Shares of l after the merge
  const auto share = [&](double l) { return row.l_after == 0 ? 0 : l / row.l_after; };
  const double arrived = share(row.alpha * row.l_before), local = share(view.picture.update.added);

  // Draws one row: label, segments by block, weight
  const auto draw = [&](const char* longer, const char* shorter, double weight, std::size_t begin,
                        std::size_t end) {
    const SoftmaxView::Columns columns = view.columns(room.take_top(h, 6));
    view.label(columns.label, longer, shorter);
    canvas.frame(columns.main, theme.outline, 1, 3);
    float x = columns.main.x;
    for (std::size_t i = begin; i < end; ++i) {
      const Contribution& part = view.picture.sum[i];
      if (!std::isfinite(share(part.after))) continue;
      const Rect segment{x, columns.main.y,
                         columns.main.w * static_cast<float>(std::clamp(share(part.after), 0., 1.)), h};
      draw_contribution(view, segment, part, 2, {});
      x = segment.right();
    }
    canvas.fitting_text(columns.number, {"weight " + number_text(weight), number_text(weight)}, Face::small,
                        std::isfinite(weight) ? theme.ink : theme.wrong);
    view.element({columns.label.x, columns.label.y, columns.label.w, h},
                 std::string(longer) + ": weight " + number_text(weight));
  };
  const std::size_t last = view.picture.sum.size() - 1;
  draw("arrived", "in", arrived, 0, last);
  draw("local", "+", local, last, last + 1);
}

}  // namespace ringattn::viz
