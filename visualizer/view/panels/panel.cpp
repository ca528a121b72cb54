#include "visualizer/view/panels/panel.h"

#include "visualizer/view/panels/strategy_text.h"

namespace ringattn::viz {

namespace {

// A panel that explains a ring, and says so for other runs
template <DrawPanel draw>
void of_ring(Canvas& canvas, const Rect& rect, const Frame& frame) {
  if (frame.recording.distribution().is_ring()) return draw(canvas, rect, frame);
  const std::string strategy = strategy_text(frame.recording);
  const Rect room = draw_panel(canvas, rect, frame.heading(strategy));
  canvas.paragraph(
      room, "This panel explains runs with the strategy ring; this run has the strategy " + strategy + ".",
      Face::body, canvas.theme().faint_ink);
}

}  // namespace

const std::map<std::string, DrawPanel>& run_panels() {
  static const std::map<std::string, DrawPanel> all = {{"ring", draw_ring_stage},
                                                       {"matrix", draw_attention_matrix},
                                                       {"microscope", of_ring<draw_softmax_microscope>},
                                                       {"timeline", draw_timeline},
                                                       {"memory", draw_memory},
                                                       {"code", draw_code},
                                                       {"tile", of_ring<draw_tile>},
                                                       {"chain", of_ring<draw_merge_chain>},
                                                       {"tree", of_ring<draw_merge_tree>},
                                                       {"orders", of_ring<draw_merge_orders>},
                                                       {"hiding", of_ring<draw_hiding>},
                                                       {"machines", of_ring<draw_machines>},
                                                       {"bars", of_ring<draw_memory_bars>},
                                                       {"growth", of_ring<draw_memory_growth>},
                                                       {"million", draw_million_tokens},
                                                       {"recall", of_ring<draw_recall>},
                                                       {"inspector", draw_inspector}};
  return all;
}

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
