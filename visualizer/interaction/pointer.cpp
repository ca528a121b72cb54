#include "visualizer/interaction/pointer.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "visualizer/interaction/commands.h"
#include "visualizer/interaction/text_input.h"

namespace ringattn::viz {

namespace {

// The time axis under the pointer, otherwise the first one
const Element* time_element(const Drawing& drawing, Point point) {
  const Element* nearest = nullptr;
  for (const Element& element : drawing.elements)
    if (element.target.kind == Target::Kind::time && (!nearest || element.rect.contains(point)))
      nearest = &element;
  return nearest;
}

std::string panel_at(const Drawing& drawing, Point point) {
  Arrangement panel;
  for (const Element& element : drawing.elements)
    if (element.target.kind == Target::Kind::panel && element.rect.contains(point))
      panel.panel = element.target.command, panel.run = element.run;
  return panel.name();
}

double place_on(const Element& axis, Point point) {
  return std::clamp((point.x - axis.rect.x) / axis.rect.w, 0.f, 1.f);
}

void scrub(Session& session, const Drawing& drawing, Point point) {
  const Element* axis = time_element(drawing, point);
  if (!axis || axis->rect.empty()) return;
  session.play(false);
  session.seek(session.duration() * session.settings.time.fraction(place_on(*axis, point)));
}

void slide(Session& session, const Drawing& drawing, const std::string& parameter, Point point) {
  for (const Element& element : drawing.elements)
    if (element.target == Target::slider(parameter) && !element.rect.empty())
      return session.slide(parameter, place_on(element, point));
}

}  // namespace

void Pointer::moved(Session& session, const Drawing& drawing, Point point) {
  session.pointer = point;
  if (scrubbing_) return scrub(session, drawing, point);
  if (!sliding_.empty()) return slide(session, drawing, sliding_, point);
  if (drag_) return drag(session, point);
  const Element* element = drawing.at(point);
  session.selection.hovered = element ? element->target : Target{};
  session.selection.hovered_run = element ? element->run : 0;
  session.selection.panel = panel_at(drawing, point);
}

void Pointer::button(Session& session, const Drawing& drawing, Point point, bool down) {
  scrubbing_ = false, sliding_.clear(), drag_.reset();
  if (!down) return;
  const Element* element = drawing.at(point);
  if (element && element->target.kind == Target::Kind::time) {
    scrubbing_ = true;
    return scrub(session, drawing, point);
  }
  if (element && element->target.kind == Target::Kind::slider) {
    sliding_ = element->target.command;
    return slide(session, drawing, sliding_, point);
  }
  drag_ = drag_from(session, drawing, point);
  session.selection.pinned_run = element ? element->run : 0;
  click(session, element ? element->target : Target{});
}

// ---- Zoom ---------------------------------------------------------------------------

namespace {

// The cells of the matrix under the pointer; null: none
const Element* grid_at(const Drawing& drawing, Point point) {
  for (const Element& element : drawing.elements)
    if (element.target == Target::grid() && element.rect.contains(point)) return &element;
  return nullptr;
}

void zoom_matrix(Session& session, const Element& grid, Point point, double across, double up) {
  // At least two rows and columns
  const TraceHeader& header = session.recording(grid.run).header();
  AxisRange &queries = session.settings.queries, &keys = session.settings.keys;
  const double least = std::min(1.0, 2.0 / static_cast<double>(std::max<Index>({header.Sq, header.Skv, 1})));
  const double factor = std::max(std::pow(0.8, up), least / keys.width());
  const double down = std::clamp((point.y - grid.rect.y) / grid.rect.h, 0.f, 1.f);
  queries.zoom(factor, queries.fraction(down));
  keys.zoom(factor, keys.fraction(place_on(grid, point)));
  keys.pan(0.1 * across);
}

}  // namespace

bool Pointer::scrolled(Session& session, const Drawing& drawing, Point point, double across, double up) {
  if (const Element* grid = grid_at(drawing, point)) {
    zoom_matrix(session, *grid, point, across, up);
    return true;
  }
  if (Arrangement::named(panel_at(drawing, point)).panel != "timeline") return false;
  const Element* axis = time_element(drawing, point);
  if (!axis || axis->rect.empty()) return false;
  AxisRange& time = session.settings.time;
  time.zoom(std::pow(0.8, up), time.fraction(place_on(*axis, point)));
  time.pan(0.1 * across);
  return true;
}

std::optional<Pointer::Drag> Pointer::drag_from(const Session& session, const Drawing& drawing, Point point) {
  const Element* grid = grid_at(drawing, point);
  if (grid && !session.settings.keys.whole()) return Drag{true, grid->rect, point, session.selection.pinned};
  if (Arrangement::named(panel_at(drawing, point)).panel != "timeline" || session.settings.time.whole())
    return {};
  if (const Element* axis = time_element(drawing, point))
    return Drag{false, axis->rect, point, session.selection.pinned};
  return {};
}

bool Pointer::can_drag(const Session& session, const Drawing& drawing, Point point) {
  const Element* element = drawing.at(point);
  const Target::Kind kind = element ? element->target.kind : Target::Kind::nothing;
  return kind == Target::Kind::time || kind == Target::Kind::slider || drag_from(session, drawing, point);
}

void Pointer::drag(Session& session, Point point) {
  constexpr float slack = 4;  // a click may move a little
  const Point way = point - drag_->last;
  if (drag_->rect.empty() || (!drag_->moved && std::hypot(way.x, way.y) < slack)) return;
  if (!drag_->moved) session.selection.pinned = drag_->pinned;
  drag_->moved = true, drag_->last = point;
  ViewSettings& settings = session.settings;
  (drag_->matrix ? settings.keys : settings.time).pan(-way.x / drag_->rect.w);
  if (drag_->matrix) settings.queries.pan(-way.y / drag_->rect.h);
}

void press_key(Session& session, const std::string& key) {
  if (session.typing) return type_key(session, key);
  // The table of commands names letters in upper case
  std::string name = key;
  if (name.size() == 1) name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
  if (const Command* command = command_for_key(name)) {
    session.notice.clear();
    command->run(session);
  }
}

}  // namespace ringattn::viz
