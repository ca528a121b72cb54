#include "visualizer/interaction/pointer.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "visualizer/interaction/commands.h"
#include "visualizer/interaction/shown_part.h"
#include "visualizer/interaction/text_input.h"

namespace ringattn::viz {

namespace {

void scrub(Session& session, const Drawing& drawing, Point point) {
  const Element* axis = time_axis(drawing, point);
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
  session.selection.place = place_in_panel(drawing, point);
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

bool Pointer::scrolled(Session& session, const Drawing& drawing, Point point, double across, double up) {
  const std::optional<PlaceInPanel> place = place_in_panel(drawing, point);
  if (!place) return false;
  zoom_part(session, *place, std::pow(0.8, up));
  move_part(session, *place, 0.1 * across);
  return true;
}

std::optional<Pointer::Drag> Pointer::drag_from(const Session& session, const Drawing& drawing, Point point) {
  const Element* axes = axes_at(drawing, point);
  if (!axes) return {};
  const bool matrix = axes->target == Target::grid();
  if ((matrix ? session.settings.keys : session.settings.time).whole()) return {};
  return Drag{matrix, axes->rect, point, session.selection.pinned};
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
