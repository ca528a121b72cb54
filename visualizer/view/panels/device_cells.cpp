#include "visualizer/view/panels/device_cells.h"

#include <algorithm>
#include <cmath>

#include "visualizer/view/panels/labels.h"
#include "visualizer/view/panels/strategy_text.h"

namespace ringattn::viz {

namespace {

// The block in use, hatched while the device waits, and a bar for the steps that are done
void draw_cell(Canvas& canvas, Rect rect, int id, const Frame& frame) {
  const Theme& theme = canvas.theme();
  const DeviceMoment& now = frame.moment.devices[static_cast<std::size_t>(id)];
  const Rect whole = rect;
  canvas.fill(rect, theme.raised, 2);
  // The steps that are done
  const double done =
      (static_cast<double>(now.absorbed.size()) + now.fraction) / frame.recording.distribution().blocks();
  const auto part = static_cast<float>(std::min(1.0, now.activity == Activity::finished ? 1.0 : done));
  Rect bar = rect.take_bottom(std::clamp(rect.h / 6, 1.f, 4.f), 1);
  bar.w *= part;
  canvas.fill(bar, theme.right);
  // The block in use
  if (now.holds.owner >= 0) {
    const Color color = theme.of(now.holds.owner);
    canvas.block(rect, now.holds.owner, 2);
    if (now.activity == Activity::waiting) canvas.hatch(rect, theme.paper, 5, 2);
    const auto label = [&](int owner) {
      return block_labels(frame.recording, traveling_label(frame.recording), owner, now.step >= 0).back();
    };
    const Size widest = canvas.text_size(label(frame.recording.devices() - 1), Face::small);
    const Rect sign = around(rect.centre(), widest.w + 2, widest.h);
    if (sign.w <= rect.w && sign.h <= rect.h) {
      canvas.fill(sign, color);
      canvas.fitting_text(rect, {label(now.holds.owner)}, Face::small, theme.ink_on(color), Align::centre);
    }
  }
  const bool highlighted = frame.selection.device == id || frame.selection.highlights(Target::device(id)) ||
                           frame.selection.highlights(Target::block(now.holds.owner));
  if (highlighted) canvas.frame(whole.inset(-1), theme.accent, 2, 2);
  canvas.element(whole, Target::device(id), now.doing ? now.doing->begin->id : now.holds.since,
                 "device " + std::to_string(id) + " with block " + short_label(now.holds.owner));
}

// The place inside the ring beside a cell; empty at the corners, where there is none
Rect place_inside(const Rect& cell, const Rect& first, const Rect& opposite, Size text) {
  const bool top = cell.y <= first.y, bottom = cell.y >= opposite.y;
  const bool left = cell.x <= first.x, right = cell.x >= opposite.x;
  if ((top || bottom) && (left || right)) return {};
  const Point c = cell.centre();
  if (top) return around({c.x, cell.bottom() + text.h / 2 + 1}, text.w, text.h);
  if (bottom) return around({c.x, cell.y - text.h / 2 - 1}, text.w, text.h);
  return around({left ? cell.right() + text.w / 2 + 4 : cell.x - text.w / 2 - 4, c.y}, text.w, text.h);
}

}  // namespace

void draw_device_cells(Canvas& canvas, const RingLayout& layout, const Frame& frame) {
  const std::vector<Rect>& cells = layout.cards();
  for (std::size_t id = 0; id < cells.size(); ++id) draw_cell(canvas, cells[id], static_cast<int>(id), frame);
  // Number every n-th device
  Rect opposite = cells.front();
  for (const Rect& cell : cells)
    opposite.x = std::max(opposite.x, cell.x), opposite.y = std::max(opposite.y, cell.y);
  const Size text = canvas.text_size("000", Face::small);
  const float distance = std::abs(cells[1].x - cells[0].x);
  const auto every =
      static_cast<std::size_t>(std::max(2.f, std::ceil(1.5f * text.w / std::max(distance, 1.f))));
  for (std::size_t id = every; id < cells.size(); id += every) {
    const Rect place = place_inside(cells[id], cells.front(), opposite, text);
    if (place.empty() || place.y < layout.middle().y || place.bottom() > layout.middle().bottom()) continue;
    canvas.fitting_text(place, {std::to_string(id)}, Face::small, canvas.theme().faint_ink, Align::centre);
  }
}

}  // namespace ringattn::viz
