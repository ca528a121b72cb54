#include "visualizer/view/softmax/softmax_bands.h"

#include <cmath>

#include "visualizer/view/panels/labels.h"

namespace ringattn::viz {

namespace {

double between(double a, double b, double t) { return a + (b - a) * t; }

// "l  0.53 → 1.27"
std::string change_text(const char* name, double before, double after) {
  return std::string(name) + number_text(before) + " \xe2\x86\x92 " + number_text(after);
}

}  // namespace

// ---- The sum ------------------------------------------------------------------------

void draw_contribution(const SoftmaxView& view, const Rect& segment, const Contribution& part, float radius,
                       std::string label) {
  Canvas& canvas = view.canvas;
  const Theme& theme = canvas.theme();
  const bool sink = part.owner < 0;
  const Color color = sink ? mix(theme.panel, theme.faint_ink, 0.6) : theme.of(part.owner);
  if (sink)
    canvas.fill(segment, color, radius);
  else
    canvas.block(segment, part.owner, radius);
  if (!sink && view.frame.selection.highlights(Target::block(part.owner)))
    canvas.frame(segment, theme.ink, 2, 2);
  canvas.fitting_text(segment.inset(2, 0), {sink ? "sink" : short_label(part.owner)}, Face::small,
                      theme.ink_on(color), Align::centre);
  canvas.element(segment, sink ? view.target() : Target::block(part.owner), part.event, std::move(label));
}

namespace {

// One segment for each block, in order of arrival
void draw_contributions(const SoftmaxView& view, const Rect& main, float unit) {
  const bool added = SoftmaxView::over(view.phases.add);
  float x = main.x;
  for (std::size_t i = 0; i < view.picture.sum.size(); ++i) {
    const Contribution& part = view.picture.sum[i];
    const bool newest = i + 1 == view.picture.sum.size();
    const double l =
        newest ? part.after * view.phases.add : between(part.before, part.after, view.phases.rescale);
    if (!std::isfinite(l) || (newest && !(l > 0))) continue;
    Rect segment{x, main.y, unit * static_cast<float>(std::max(l, 0.0)), main.h - 1};
    segment.w = std::min(segment.w, main.right() - x);
    draw_contribution(view, segment, part, std::min(2.f, segment.w / 3),
                      (part.owner < 0 ? "the sink" : "block " + std::to_string(part.owner)) +
                          " contributes " + number_text(added ? part.after : part.before) + " to l");
    x = segment.right();
  }
}

}  // namespace

void draw_sum(const SoftmaxView& view, const Rect& band) {
  Canvas& canvas = view.canvas;
  const Theme& theme = canvas.theme();
  const RowUpdate& row = view.picture.row_update();
  const auto [label, main, number] = view.columns(band);
  view.label(label, "sum l", "l");
  const bool added = SoftmaxView::over(view.phases.add);
  const double now = added ? row.l_after : row.l_before;
  const float unit = main.w / static_cast<float>(view.picture.l.high > 0 ? view.picture.l.high : 1);
  canvas.line({main.x, main.bottom()}, {main.right(), main.bottom()}, theme.outline);
  if (std::isfinite(now)) {
    draw_contributions(view, main, unit);
    // Keep the old sum as an outline to show how much it shrank
    if (row.l_before > 0 && view.picture.update.factor != 1 && view.phases.rescale > 0)
      canvas.frame({main.x, main.y, unit * static_cast<float>(row.l_before), main.h - 1}, theme.faint_ink, 1,
                   2);
  } else {
    // A sum without a size
    canvas.hatch(main, theme.wrong, 8, 1);
    const Rect sign = around(main.centre(), canvas.text_size(number_text(now), Face::small).w + 12, main.h);
    canvas.fill(sign, theme.panel);
    canvas.fitting_text(sign, {number_text(now)}, Face::small, theme.wrong, Align::centre);
  }

  // A mark at the correct sum, if the run has another one
  const bool wrong = added && !view.picture.adds_up;
  const double correct = view.picture.correct_l;
  if (wrong && std::isfinite(correct)) {
    const float x = main.x + unit * static_cast<float>(correct);
    canvas.line({x, main.y - 3}, {x, main.bottom() + 3}, theme.right, 2);
  }
  const std::string text = "l = " + number_text(now);
  if (wrong)
    canvas.fitting_text(number, {text + ", not " + short_number(correct), text}, Face::small, theme.wrong);
  else
    canvas.fitting_text(
        number, {added ? change_text("l  ", row.l_before, row.l_after) : text, text, number_text(now)},
        Face::small, std::isfinite(now) ? theme.ink : theme.wrong);
  view.element(number, added ? change_text("l  ", row.l_before, row.l_after) : text);
}

// ---- Alpha --------------------------------------------------------------------------

void draw_alpha(const SoftmaxView& view, const Rect& band) {
  Canvas& canvas = view.canvas;
  const Theme& theme = canvas.theme();
  const RowUpdate& row = view.picture.row_update();
  const auto [label, main, number] = view.columns(band);
  view.label(label, "rescale \xce\xb1", "\xce\xb1");

  // From 1 down to the factor that the run applies
  const bool finite = std::isfinite(row.alpha), applied = view.picture.update.factor == row.alpha;
  const double factor = std::clamp(view.picture.update.factor, 0.0, 1.0);
  const Rect track = around(main.centre(), main.w, std::min(8.f, main.h / 2));
  canvas.frame(track, theme.outline, 1, 3);
  if (finite) {
    Rect mark = track;
    mark.w *= static_cast<float>(between(1, factor, view.phases.rescale));
    canvas.fill(mark, theme.faint_ink, 3);
  }
  if (!SoftmaxView::over(view.phases.maximum)) return;
  const std::string text = "\xce\xb1 = " + number_text(row.alpha);
  canvas.fitting_text(number, {text + (applied ? "" : " unused"), text, number_text(row.alpha)}, Face::small,
                      finite && applied ? theme.ink : theme.wrong);
  view.element(track, "\xce\xb1 = exp(m before \xe2\x88\x92 m after) = " + number_text(row.alpha) +
                          (applied ? "" : ", not applied"));
}

// ---- O ------------------------------------------------------------------------------

namespace {

// _numbers_: written in the cells, unless they are still moving
void draw_strip(const SoftmaxView& view, const Rect& main, const std::vector<double>& numbers,
                const std::vector<double>& shown_as, const char* name, bool moving = false) {
  Canvas& canvas = view.canvas;
  const Theme& theme = canvas.theme();
  const int shown = std::min(view.components(main), static_cast<int>(numbers.size()));
  // Write the numbers of all cells, or none
  bool fit = !moving;
  for (int d = 0; d < shown; ++d) {
    const std::string text = short_number(numbers[static_cast<std::size_t>(d)]);
    fit = fit && canvas.text_size(text, Face::small).w <= view.component(main, d).w - 6;
  }
  for (int d = 0; d < shown; ++d) {
    const auto i = static_cast<std::size_t>(d);
    const Rect cell = view.component(main, d).inset(0.5f, 0);
    const Color color = theme.of_number(shown_as[i], view.picture.O_size.high);
    canvas.fill(cell, color, 2);
    const bool finite = std::isfinite(numbers[i]);
    if (fit || (!finite && !moving))
      canvas.fitting_text(cell, {short_number(numbers[i]), finite ? "" : "!"}, Face::small,
                          theme.ink_on(color), Align::centre);
    if (!moving)
      view.element(cell, std::string(name) + "[" + std::to_string(d) + "] = " + number_text(numbers[i]));
  }
}

}  // namespace

void draw_output(const SoftmaxView& view, const Rect& band) {
  const RowUpdate& row = view.picture.row_update();
  Rect room = band;
  const float h = (band.h - 3) / 2;
  const SoftmaxView::Columns before = view.columns(room.take_top(h, 3)), after = view.columns(room);
  const bool moving = !SoftmaxView::over(view.phases.add);
  view.label(before.label, "O before", "O");
  view.label(after.label, moving ? "O now" : "O after", "");

  // First O shrinks with l, then the new contribution is added
  std::vector<double> now = row.O_after;
  for (std::size_t i = 0; i < now.size() && i < row.O_before.size(); ++i) {
    const double shrunk = view.picture.update.factor * row.O_before[i];
    now[i] = view.phases.add > 0 ? between(shrunk, row.O_after[i], view.phases.add)
                                 : between(row.O_before[i], shrunk, view.phases.rescale);
  }
  draw_strip(view, before.main, row.O_before, row.O_before, "O before");
  draw_strip(view, after.main, row.O_after, now, "O after", moving);

  const int shown = view.components(before.main), all = static_cast<int>(row.O_after.size());
  if (shown < all)
    view.canvas.fitting_text(before.number, {std::to_string(shown) + " of " + std::to_string(all)},
                             Face::small, view.canvas.theme().faint_ink);
}

// ---- The normalized output ------------------------------------------------------------

namespace {

// One element of O / l: its value after each block, and a line at the final value
void draw_component(const SoftmaxView& view, const Rect& column, std::size_t d) {
  Canvas& canvas = view.canvas;
  const Theme& theme = canvas.theme();
  const auto& normalized_outputs = view.picture.normalized_outputs;
  const auto steps = static_cast<float>(view.frame.recording.devices());
  const Rect plot = column.inset(std::min(4.f, column.w / 8), 0);
  const auto y_of = [&](double x) {
    return plot.bottom() - 5 - (plot.h - 10) * static_cast<float>(view.picture.output_range.part(x));
  };
  const auto x_of = [&](std::size_t k) { return plot.x + plot.w * (static_cast<float>(k) + 0.5f) / steps; };

  // Background, and the line at the final value
  canvas.fill(plot, mix(theme.panel, theme.raised, 0.8), 3);
  if (d < view.picture.final_output.size() && std::isfinite(view.picture.final_output[d])) {
    const float y = y_of(view.picture.final_output[d]);
    canvas.line({plot.x, y}, {plot.right(), y}, theme.right, 1.5f);
  }
  // The values after each block, connected
  Point last{};
  for (std::size_t k = 0; k < normalized_outputs.size(); ++k) {
    const bool newest = k + 1 == normalized_outputs.size();
    // The first output appears with its block, the others move
    if (newest && k == 0 && view.shown_outputs() == 0) break;
    double x = normalized_outputs[k][d];
    if (!std::isfinite(x)) {
      if (k >= view.shown_outputs()) break;
      if (newest) canvas.fitting_text(plot, {number_text(x), "!"}, Face::small, theme.wrong, Align::centre);
      continue;
    }
    if (newest && k > 0 && std::isfinite(normalized_outputs[k - 1][d]))
      x = between(normalized_outputs[k - 1][d], x, view.phases.add);
    const Point here{x_of(k), y_of(x)};
    if (last.x > 0) canvas.line(last, here, theme.faint_ink, 1);
    canvas.disc(here, newest ? 4.f : 2.f, newest ? theme.ink : theme.faint_ink);
    last = here;
  }
  if (view.shown_outputs() > 0)
    canvas.element(plot, Target::row(static_cast<int>(view.picture.row_update().row)), view.picture.shown->id,
                   "output[" + std::to_string(d) +
                       "] = " + number_text(normalized_outputs[view.shown_outputs() - 1][d]));
}

}  // namespace

void draw_normalized_output(const SoftmaxView& view, const Rect& band) {
  Canvas& canvas = view.canvas;
  const Theme& theme = canvas.theme();
  const SoftmaxPicture& picture = view.picture;
  const auto [label, main, number] = view.columns(band);
  const float line_h = canvas.line_height(Face::small);
  Rect names = label;
  view.label(names.take_top(line_h, 2), "output O/l", "O/l");
  for (int d = 0; d < view.components(main); ++d)
    draw_component(view, view.component(main, d), static_cast<std::size_t>(d));
  if (picture.final_output.empty()) return;

  // The legend of the line, and the difference from it
  Rect legend = number;
  const Rect of_line = legend.take_top(line_h, 2);
  const float y = of_line.centre().y;
  canvas.line({of_line.x, y}, {of_line.x + 14, y}, theme.right, 1.5f);
  canvas.fitting_text({of_line.x + 19, of_line.y, of_line.w - 19, line_h},
                      {picture.dense ? "full attention" : "final output", picture.dense ? "full" : "final"},
                      Face::small, theme.right);
  if (view.shown_outputs() == 0) return;
  double off = 0;
  const std::vector<double>& now = picture.normalized_outputs[view.shown_outputs() - 1];
  for (std::size_t d = 0; d < std::min(now.size(), picture.final_output.size()); ++d) {
    const double difference = std::abs(now[d] - picture.final_output[d]);
    if (!(difference <= off)) off = difference;
  }
  if (legend.h >= line_h)
    canvas.fitting_text(legend.take_top(line_h), {"error " + short_number(off), short_number(off)},
                        Face::small, std::isfinite(off) ? theme.faint_ink : theme.wrong);
}

}  // namespace ringattn::viz
