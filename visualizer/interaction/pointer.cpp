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
  const Element* element = drawing.at(point);
  session.selection.hovered = element ? element->target : Target{};
  session.selection.hovered_run = element ? element->run : 0;
  session.selection.panel = panel_at(drawing, point);
}

void Pointer::button(Session& session, const Drawing& drawing, Point point, bool down) {
  scrubbing_ = false, sliding_.clear();
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
  session.selection.pinned_run = element ? element->run : 0;
  click(session, element ? element->target : Target{});
}

void Pointer::scrolled(Session& session, const Drawing& drawing, Point point, double across, double up) {
  if (Arrangement::named(panel_at(drawing, point)).panel != "timeline") return;
  const Element* axis = time_element(drawing, point);
  if (!axis || axis->rect.empty()) return;
  TimeRange& time = session.settings.time;
  time.zoom(std::pow(0.8, up), time.fraction(place_on(*axis, point)));
  time.pan(0.1 * across);
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
