#include "visualizer/view/panels/device_strip.h"

#include <cmath>

#include "visualizer/view/panels/labels.h"

namespace ringattn::viz {

namespace {

// The resident block of a device, filled in proportion to the completed steps; hatched while the device waits
void draw_cell(Canvas& canvas, const Rect& rect, int id, const Frame& frame) {
  const Theme& theme = canvas.theme();
  const DeviceMoment& now = frame.moment.devices[static_cast<std::size_t>(id)];
  const int steps = frame.recording.devices();
  canvas.fill(rect, theme.raised, 2);
  if (now.holds.owner >= 0) {
    const double done = (static_cast<double>(now.absorbed.size()) + now.fraction) / steps;
    const auto part = static_cast<float>(std::min(1.0, now.activity == Activity::finished ? 1.0 : done));
    canvas.block({rect.x, rect.bottom() - rect.h * part, rect.w, rect.h * part}, now.holds.owner, 2);
  }
  if (now.activity == Activity::waiting) canvas.hatch(rect, theme.wait, 5, 1);
  const bool highlighted = frame.selection.device == id || frame.selection.highlights(Target::device(id)) ||
                           frame.selection.highlights(Target::block(now.holds.owner));
  canvas.frame(rect, highlighted ? theme.accent : theme.outline, highlighted ? 2.f : 1.f, 2);
  canvas.element(rect, Target::device(id), now.doing ? now.doing->begin->id : now.holds.since,
                 "device " + std::to_string(id) + " with block " + short_label(now.holds.owner));
}

}  // namespace

void draw_device_strip(Canvas& canvas, const Rect& room, const Frame& frame) {
  const int P = frame.recording.devices();
  // Choose the number of columns so that the cells are nearly square
  const int columns =
      std::max(1, static_cast<int>(std::ceil(std::sqrt(static_cast<float>(P) * room.w / room.h))));
  const int rows = (P + columns - 1) / columns;
  const float w = room.w / static_cast<float>(columns), h = std::min(w, room.h / static_cast<float>(rows));
  const float gap = std::min(3.f, w / 8);
  for (int id = 0; id < P; ++id) {
    const Rect cell{room.x + w * static_cast<float>(id % columns),
                    room.y + h * static_cast<float>(id / columns), w - gap, h - gap};
    draw_cell(canvas, cell, id, frame);
  }
}

}  // namespace ringattn::viz
