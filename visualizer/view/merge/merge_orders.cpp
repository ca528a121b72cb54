#include <algorithm>
#include <cmath>
#include <map>
#include <string>

#include "visualizer/model/pictures/merge_trees.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

namespace {

// One element of the output: a line on which neighbouring numbers of the type are one unit apart, and a disc for each
// tree.
void draw_number_line(Canvas& canvas, Rect band, const MergeOutputs& all, std::size_t d,
                      const std::string& type) {
  const Theme& theme = canvas.theme();
  const float line_h = canvas.line_height(Face::small);
  canvas.fitting_text(band.take_top(canvas.line_height(Face::body), 4),
                      {"element " + std::to_string(d) +
                           " of the output: a disc for each tree, a tick for each number of " + type,
                       "element " + std::to_string(d)},
                      Face::body, theme.ink);
  std::map<double, int> trees;  // by output
  for (const std::vector<double>& output : all.outputs) ++trees[output[d]];

  // Two numbers more on each side
  const double unit = all.spacing[d], low = trees.begin()->first - 1.5 * unit,
               high = trees.rbegin()->first + 1.5 * unit;
  const auto x_of = [&](double x) { return band.x + band.w * static_cast<float>((x - low) / (high - low)); };
  const float axis = band.bottom() - 2 * line_h - 10;
  const float per_unit = band.w * static_cast<float>(unit / (high - low));
  canvas.line({band.x, axis}, {band.right(), axis}, theme.outline, 2);
  for (double x = trees.begin()->first - unit; x <= high; x += unit) {
    canvas.line({x_of(x), axis - 5}, {x_of(x), axis + 5}, theme.faint_ink, 1.5f);
    const Rect label = around({x_of(x), axis + 10 + line_h / 2}, per_unit - 8, line_h);
    if (band.contains(label, 0.5f))
      canvas.fitting_text(label, {float32_text(x)}, Face::small, theme.faint_ink, Align::centre);
  }
  // A disc for each tree, on top of each other
  int most = 1;
  for (const auto& [x, count] : trees) most = std::max(most, count);
  const float radius = std::clamp((axis - band.y - line_h - 12) / static_cast<float>(2 * most), 1.5f,
                                  std::min(9.f, per_unit / 3));
  for (const auto& [x, count] : trees) {
    for (int i = 0; i < count; ++i)
      canvas.disc({x_of(x), axis - 5 - radius * static_cast<float>(2 * i + 1)}, radius - 0.5f, theme.accent);
    const Rect label = around({x_of(x), axis - 9 - radius * static_cast<float>(2 * count) - line_h / 2},
                              per_unit - 4, line_h);
    if (label.y < band.y) continue;
    canvas.fitting_text(label,
                        {std::to_string(count) + (count == 1 ? " tree" : " trees"), std::to_string(count)},
                        Face::small, theme.ink, Align::centre);
  }
  // Full attention, which lies between the numbers of the type
  const float x = x_of(all.exact[d]);
  if (x < band.x || x > band.right()) return;
  canvas.line({x, axis - 12}, {x, axis + 8}, theme.right, 2);
  const float w = canvas.text_size("full attention in float64", Face::small).w + 4;
  const float left = std::clamp(x - w / 2, band.x, band.right() - w);
  canvas.fitting_text({left, band.bottom() - line_h, w, line_h}, {"full attention in float64"}, Face::small,
                      theme.right, Align::centre);
}

// The plain mean of the outputs of the blocks, which is wrong in the first digits
void draw_mean(Canvas& canvas, Rect line, const MergeOutputs& all) {
  std::string mean, exact;
  for (std::size_t d = 0; d < std::min<std::size_t>(all.exact.size(), 2); ++d) {
    mean += (d ? ",  " : "") + rounded_number(all.mean[d]);
    exact += (d ? ",  " : "") + rounded_number(all.exact[d]);
  }
  canvas.fitting_text(
      line,
      {"for comparison, the plain mean of the outputs, without m and l:  " + mean + "   instead of   " +
           exact,
       "mean without m and l:  " + mean + "  instead of  " + exact, "mean without m and l: " + mean},
      Face::body, canvas.theme().wrong);
}

}  // namespace

void draw_merge_orders(Canvas& canvas, const Rect& rect, const Frame& frame) {
  const std::optional<MergeOutputs> all = all_merge_orders(frame.recording, frame.selection.row);
  const std::string heading = "All orders \xc2\xb7 row " + std::to_string(frame.selection.row);
  if (!all || all->exact.empty()) {
    Rect room = draw_panel(canvas, rect, heading);
    canvas.paragraph(room, "All orders are shown for runs of scenes with up to five devices.", Face::body,
                     canvas.theme().faint_ink);
    return;
  }
  const std::string type = frame.recording.header().dtype == "f64" ? "float64" : "float32";
  const long units = std::lround(all->largest_difference());
  Rect room =
      draw_panel(canvas, rect, heading,
                 std::to_string(all->outputs.size()) + " trees, largest difference " + std::to_string(units) +
                     (units == 1 ? " unit" : " units") + " in the last place of " + type);
  // The outputs exist when the run is over
  if (!frame.moment.over) return;
  draw_mean(canvas, room.take_bottom(canvas.line_height(Face::body) + 4, 8), *all);
  const auto lines = std::min<std::size_t>(all->exact.size(), room.h >= 340 ? 2 : 1);
  const float h = (room.h - 14) / static_cast<float>(lines);
  for (std::size_t d = 0; d < lines; ++d) {
    const Rect band = room.take_top(h, 14).inset(6, 0);
    if (band.h >= 5 * canvas.line_height(Face::body) && band.w >= 240)
      draw_number_line(canvas, band, *all, d, type);
  }
}

}  // namespace ringattn::viz
