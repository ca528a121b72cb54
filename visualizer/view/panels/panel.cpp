#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

const std::map<std::string, DrawPanel>& run_panels() {
  static const std::map<std::string, DrawPanel> all = {{"ring", draw_ring_stage},
                                                       {"matrix", draw_attention_matrix},
                                                       {"microscope", draw_softmax_microscope},
                                                       {"timeline", draw_timeline},
                                                       {"memory", draw_memory},
                                                       {"code", draw_code},
                                                       {"tile", draw_tile},
                                                       {"chain", draw_merge_chain},
                                                       {"tree", draw_merge_tree},
                                                       {"orders", draw_merge_orders},
                                                       {"hiding", draw_hiding},
                                                       {"machines", draw_machines},
                                                       {"bars", draw_memory_bars},
                                                       {"growth", draw_memory_growth},
                                                       {"recall", draw_recall},
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
