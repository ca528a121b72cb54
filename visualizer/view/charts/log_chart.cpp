#include "visualizer/view/charts/log_chart.h"

#include <algorithm>
#include <cmath>

namespace ringattn::viz {

LogChart::LogChart(Canvas& canvas, Rect room, Axis across, Axis up)
    : canvas_(canvas), across_(std::move(across)), up_(std::move(up)) {
  float names_w = 0;
  for (const Tick& tick : up_.ticks) names_w = std::max(names_w, canvas.text_size(tick.name, Face::small).w);
  below_ = room.take_bottom(canvas.line_height(Face::small) + 4, 2);
  beside_ = room.take_left(names_w + 2, 6);
  plot_ = room.inset(0, 6);
}

float LogChart::part(const Axis& axis, double value) {
  return static_cast<float>(std::log(value / axis.low) / std::log(axis.high / axis.low));
}

void LogChart::draw_axes() {
  const Theme& theme = canvas_.theme();
  const Color grid = mix(theme.panel, theme.outline, 0.6);
  const float line_h = canvas_.line_height(Face::small);
  // The names of the highest ticks first; others that would overlap are left out
  float free = plot_.right() + 1;
  for (auto tick = across_.ticks.rbegin(); tick != across_.ticks.rend(); ++tick) {
    const float x = x_of(tick->value), w = canvas_.text_size(tick->name, Face::small).w + 1;
    canvas_.line({x, plot_.y}, {x, plot_.bottom()}, grid);
    const float left = std::clamp(x - w / 2, plot_.x, std::max(plot_.x, plot_.right() - w));
    if (left + w > free) continue;
    canvas_.fitting_text({left, below_.y, w, below_.h}, {tick->name}, Face::small, theme.faint_ink);
    free = left - 6;
  }
  free = plot_.bottom() + line_h;
  for (const Tick& tick : up_.ticks) {
    const float y = y_of(tick.value);
    canvas_.line({plot_.x, y}, {plot_.right(), y}, grid);
    if (y + line_h / 2 > free) continue;
    canvas_.fitting_text(around({beside_.centre().x, y}, beside_.w, line_h), {tick.name}, Face::small,
                         theme.faint_ink, Align::right);
    free = y - line_h / 2;
  }
}

void LogChart::draw_line(const std::vector<std::pair<double, double>>& points, Color color, float thickness) {
  canvas_.clip(plot_);
  std::vector<Point> places;
  for (const auto& [x, y] : points) places.push_back({x_of(x), y_of(y)});
  canvas_.polyline(places, color, thickness);
  canvas_.unclip();
}

void LogChart::draw_upright(double value, Color color, float thickness) {
  const float x = x_of(value);
  canvas_.line({x, plot_.y}, {x, plot_.bottom()}, color, thickness);
}

bool LogChart::label(const Rect& rect, const std::string& text, Face face, Color color, Align align) {
  const Size size = canvas_.text_size(text, face);
  const float spare = rect.w - size.w;
  const float left = rect.x + (align == Align::left ? 0 : align == Align::right ? spare : spare / 2);
  const Rect place{left, rect.centre().y - size.h / 2, size.w + 1, size.h};
  const bool free =
      std::none_of(taken_.begin(), taken_.end(), [&](const Rect& each) { return each.overlaps(place, -2); });
  if (!free || !plot_.contains(place, 1)) return false;
  taken_.push_back(place);
  canvas_.fill(place.inset(-2, 0), canvas_.theme().panel.with_alpha(0.8));
  canvas_.text(place, text, face, color);
  return true;
}

}  // namespace ringattn::viz
