// The panel `million`: the memory of a device for a sequence of a million tokens, computed.

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "visualizer/model/costs/memory_model.h"
#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

namespace {

// One way to compute attention, and what it takes on each device
struct LongMemory {
  std::string name;
  double bytes;
};

std::array<LongMemory, 5> long_memories() {
  return {{{"all scores", long_naive_memory()},
           {"FlashAttention", long_flash_memory()},
           {"4 devices", long_ring_memory(4)},
           {"16 devices", long_ring_memory(16)},
           {"64 devices", long_ring_memory(64)}}};
}

// That of all scores extends far beyond the panel
void draw_bar(Canvas& canvas, Rect row, const LongMemory& memory, Face face) {
  const Theme& theme = canvas.theme();
  const float name_w = canvas.text_size("FlashAttention", face).w + 2,
              number_w = canvas.text_size("450.5 MiB", face).w + 2;
  canvas.fitting_text(row.take_left(name_w, 10), {memory.name}, face, theme.faint_ink, Align::right);
  canvas.fitting_text(row.take_right(number_w, 10), {bytes_text(memory.bytes)}, face, theme.ink);
  const double part = memory.bytes / long_flash_memory();
  const Rect bar = around(row.centre(), row.w, std::min(row.h - 4, 40.f));
  const Color color = mix(theme.panel, theme.faint_ink, 0.6);
  canvas.fill({bar.x, bar.y, bar.w * static_cast<float>(std::min(part, 1.0)), bar.h}, color, 2);
  if (part <= 1) return;
  canvas.fitting_text(bar.inset(6, 0), {std::to_string(std::lround(part)) + " times as long \xe2\x86\x92"},
                      face, theme.ink_on(color), Align::right);
}

}  // namespace

void draw_million_tokens(Canvas& canvas, const Rect& rect, const Frame&) {
  Rect room = draw_panel(canvas, rect, "A million tokens", "computed, not measured");
  const float line = canvas.line_height(Face::small);
  for (const char* const note : {"Each device of a ring has two slots for K and V.",
                                 "One head of 128; Q, K and V in bf16, scores and sums in float32."})
    canvas.fitting_text(room.take_bottom(line, 4), {note}, Face::small, canvas.theme().faint_ink);
  const std::array<LongMemory, 5> all = long_memories();
  const float h = std::min(room.h / static_cast<float>(all.size()), 72.f);
  if (h < line + 4 || room.w < 260) return;
  const Face face = h >= canvas.line_height(Face::body) + 8 && room.w >= 420 ? Face::body : Face::small;
  for (const LongMemory& each : all) draw_bar(canvas, room.take_top(h), each, face);
}

}  // namespace ringattn::viz
