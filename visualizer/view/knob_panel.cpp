#include "visualizer/view/knob_panel.h"

#include "visualizer/model/knobs.h"
#include "visualizer/view/panel.h"

namespace ringattn::viz {

namespace {

void draw_arrow(Canvas& canvas, const Rect& rect, const std::string& knob, int direction) {
  const Theme& theme = canvas.theme();
  canvas.fill(rect, theme.raised, 4);
  const Point c = rect.centre();
  const float tip = 4.5f * static_cast<float>(direction);
  canvas.triangle({c.x - tip, c.y - 5}, {c.x + tip, c.y}, {c.x - tip, c.y + 5}, theme.ink);
  canvas.element(rect, Target::to_command("knob:" + knob + (direction > 0 ? ":+" : ":-")));
}

void draw_knob(Canvas& canvas, Rect line, const Knob& knob, const RunConfig& config) {
  const float arrow = std::min(22.f, line.h - 2);
  draw_arrow(canvas, around({line.right() - arrow / 2, line.centre().y}, arrow, arrow), knob.id, 1);
  line.take_right(arrow, 4);
  Rect value = line.take_right(std::min(150.f, line.w * 0.5f), 4);
  draw_arrow(canvas, around({value.x + arrow / 2, value.centre().y}, arrow, arrow), knob.id, -1);
  value.take_left(arrow, 4);
  canvas.fitting_text(value, {knob.value(config)}, Face::small, canvas.theme().ink, Align::centre);
  canvas.fitting_text(line, {knob.title}, Face::small, canvas.theme().faint_ink);
}

}  // namespace

void draw_knobs(Canvas& canvas, const Rect& rect, const Session& session) {
  const bool typing = session.typing && session.entry == Entry::tokens;
  Rect room = draw_panel(canvas, rect, "Knobs", typing ? "typing, Enter ends" : "");
  const RunConfig* config = session.free_config();
  if (!config) return;
  const float line =
      std::clamp(room.h / static_cast<float>(knobs().size() + 1), canvas.line_height(Face::small) + 1, 30.f);
  for (const Knob& knob : knobs()) {
    if (room.h < line) return;
    draw_knob(canvas, room.take_top(line), knob, *config);
  }
  if (room.h < line) return;
  Rect text = room.take_top(line);
  canvas.element(text, Target::to_command("type"));
  if (typing) canvas.fill(text.inset(-4, 1), canvas.theme().raised, 4);
  const std::string shown =
      config->text.empty() && !typing ? "your own text: E" : config->text + (typing ? "_" : "");
  canvas.text(text, shown, Face::small, typing ? canvas.theme().ink : canvas.theme().faint_ink);
}

}  // namespace ringattn::viz
