#include "visualizer/view/panels/parameter_panel.h"

#include <algorithm>
#include <cmath>

#include "visualizer/session/parameters.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

namespace {

void draw_arrow(Canvas& canvas, const Rect& rect, const std::string& parameter, int direction) {
  const Theme& theme = canvas.theme();
  canvas.fill(rect, theme.raised, 4);
  const Point c = rect.centre();
  const float tip = 4.5f * static_cast<float>(direction);
  canvas.triangle({c.x - tip, c.y - 5}, {c.x + tip, c.y}, {c.x - tip, c.y + 5}, theme.ink);
  canvas.element(rect, Target::to_command("knob:" + parameter + (direction > 0 ? ":+" : ":-")));
}

// The value takes half of the line, and what the titles of all parameters leave
void draw_parameter(Canvas& canvas, Rect line, const Parameter& parameter, const RunConfig& config,
                    float titles_w) {
  const float arrow = std::min({22.f, line.h - 2, line.w / 10});
  draw_arrow(canvas, around({line.right() - arrow / 2, line.centre().y}, arrow, arrow), parameter.id, 1);
  line.take_right(arrow, 4);
  Rect value = line.take_right(std::min(150.f, std::max(line.w / 2, line.w - titles_w - 4)), 4);
  draw_arrow(canvas, around({value.x + arrow / 2, value.centre().y}, arrow, arrow), parameter.id, -1);
  value.take_left(arrow, 4);
  canvas.fitting_text(value, {parameter.value(config)}, Face::small, canvas.theme().ink, Align::centre);
  canvas.fitting_text(line, {parameter.title}, Face::small, canvas.theme().faint_ink);
}

float titles_width(const Canvas& canvas, const std::vector<Parameter>& table) {
  float widest = 0;
  for (const Parameter& each : table)
    widest = std::max(widest, canvas.text_size(each.title, Face::small).w + 1);
  return widest;
}

// The title and the value with its arrows, and below them a slider
void draw_slider(Canvas& canvas, Rect room, const Parameter& parameter, const RunConfig& config,
                 float titles_w) {
  const Theme& theme = canvas.theme();
  draw_parameter(canvas, room.take_top(canvas.line_height(Face::small) + 8, 2), parameter, config, titles_w);
  if (!parameter.place || room.h < 18) return;
  const Rect track = around({room.centre().x, room.y + 10}, room.w - 16, 6);
  canvas.fill(track, theme.raised, 3);
  canvas.frame(track, theme.outline, 1, 3);
  const float x = track.x + track.w * static_cast<float>(parameter.place(config));
  canvas.fill({track.x, track.y, x - track.x, track.h}, theme.accent.with_alpha(0.5), 3);
  canvas.disc({x, track.centre().y}, 8, theme.accent);
  canvas.element(around(track.centre(), track.w, 20), Target::slider(parameter.id), {}, parameter.title);
}

// The longest end of a text that fits
std::string end_of(const Canvas& canvas, const std::string& text, float width) {
  std::size_t begin = 0;
  const auto shown = [&] { return (begin > 0 ? "\xe2\x80\xa6" : "") + text.substr(begin); };
  while (begin < text.size() && canvas.text_size(shown(), Face::small).w > width) do
      ++begin;
    while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80);
  return shown();
}

}  // namespace

void draw_parameters(Canvas& canvas, const Rect& rect, const Session& session) {
  const bool typing = session.typing && session.input == TextInput::tokens;
  Rect room = draw_panel(canvas, rect, "Parameters", typing ? "Enter ends typing" : "");
  const RunConfig* config = session.adjustable_config();
  if (!config) return;
  if (!session.free_config()) {
    const std::vector<Parameter>& table = parameters(session.scene()->parameters);
    const float h = std::min(room.h / static_cast<float>(table.size()), 64.f);
    const float titles_w = titles_width(canvas, table);
    for (const Parameter& parameter : table)
      draw_slider(canvas, room.take_top(h), parameter, *config, titles_w);
    return;
  }
  // Two columns if one is too short and both fit
  const float least = canvas.line_height(Face::small) + 1;
  const auto count = static_cast<float>(parameters().size() + 1);
  const bool two = room.h < least * count && room.w >= 420;
  const float line = std::clamp(room.h / (two ? std::ceil(count / 2) : count), least, 34.f);
  Rect columns[] = {room.take_left(two ? room.w / 2 - 10 : room.w, 20), room};
  const auto next = [&] {
    Rect& column = columns[0].h + 0.5f >= line ? columns[0] : columns[1];
    return column.take_top(column.h + 0.5f >= line ? line : 0);
  };
  const float titles_w = titles_width(canvas, parameters());
  for (const Parameter& parameter : parameters())
    if (const Rect place = next(); !place.empty())
      draw_parameter(canvas, place, parameter, *config, titles_w);
  const Rect text = next();
  if (text.empty()) return;
  canvas.element(text, Target::to_command("type"));
  if (typing) canvas.fill(text.inset(-4, 1), canvas.theme().raised, 4);
  const std::string shown =
      config->text.empty() && !typing ? "press E for your text" : config->text + (typing ? "_" : "");
  canvas.text(text, end_of(canvas, shown, text.w), Face::small,
              typing ? canvas.theme().ink : canvas.theme().faint_ink);
}

}  // namespace ringattn::viz
