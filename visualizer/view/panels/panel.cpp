#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

Rect draw_panel(Canvas& canvas, const Rect& rect, std::string_view heading, std::string_view remark) {
  const Theme& theme = canvas.theme();
  canvas.fill(rect, theme.panel, 8);
  canvas.frame(rect, theme.outline, 1, 8);

  const bool low = rect.h < 200;
  Rect room = rect.inset(12, low ? 8.f : 12.f);
  Rect line = room.take_top(canvas.line_height(Face::strong), low ? 6.f : 10.f);
  const float wanted = canvas.text_size(heading, Face::strong).w;
  const float beside = canvas.text_size(remark, Face::small).w;
  if (!remark.empty() && wanted + 16 + beside <= line.w) {
    canvas.text(line.take_right(beside, 16), remark, Face::small, theme.faint_ink, Align::right);
  }
  canvas.text(line, heading, wanted <= line.w ? Face::strong : Face::small, theme.ink);
  return room;
}

}  // namespace ringattn::viz
