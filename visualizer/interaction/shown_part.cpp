#include "visualizer/interaction/shown_part.h"

#include <algorithm>

namespace ringattn::viz {

// ---- Places in the last frame -------------------------------------------------------

const Element* time_axis(const Drawing& drawing, Point point) {
  const Element* nearest = nullptr;
  for (const Element& element : drawing.elements)
    if (element.target.kind == Target::Kind::time && (!nearest || element.rect.contains(point)))
      nearest = &element;
  return nearest;
}

double place_on(const Element& axis, Point point) {
  return std::clamp((point.x - axis.rect.x) / axis.rect.w, 0.f, 1.f);
}

std::string panel_at(const Drawing& drawing, Point point) {
  Arrangement panel;
  for (const Element& element : drawing.elements)
    if (element.target.kind == Target::Kind::panel && element.rect.contains(point))
      panel.panel = element.target.command, panel.run = element.run;
  return panel.name();
}

const Element* axes_at(const Drawing& drawing, Point point) {
  for (const Element& element : drawing.elements)
    if (element.target == Target::grid() && element.rect.contains(point)) return &element;
  if (Arrangement::named(panel_at(drawing, point)).panel != "timeline") return nullptr;
  const Element* axis = time_axis(drawing, point);
  return axis && !axis->rect.empty() ? axis : nullptr;
}

std::optional<PlaceInPanel> place_in_panel(const Drawing& drawing, Point point) {
  const Element* axes = axes_at(drawing, point);
  if (!axes) return {};
  return PlaceInPanel{panel_at(drawing, point), place_on(*axes, point),
                      std::clamp((point.y - axes->rect.y) / axes->rect.h, 0.f, 1.f)};
}

// ---- The place of the keys ----------------------------------------------------------

std::optional<PlaceInPanel> place_of_keys(const Session& session) {
  const std::optional<PlaceInPanel>& pointed = session.selection.place;
  const std::vector<std::string> shown = session.shown_panels().names();
  if (pointed && std::find(shown.begin(), shown.end(), pointed->panel) != shown.end()) return pointed;
  for (const char* const kind : {"timeline", "matrix"})
    for (const std::string& panel : shown) {
      if (Arrangement::named(panel).panel != kind) continue;
      if (std::string_view(kind) == "matrix") return PlaceInPanel{panel, 0.5, 0.5};
      const double now = session.duration() > 0 ? session.t() / session.duration() : 0;
      return PlaceInPanel{panel, session.settings.time.place(now), 0};
    }
  return {};
}

// ---- The shown part -----------------------------------------------------------------

void zoom_part(Session& session, const PlaceInPanel& place, double factor) {
  const Arrangement panel = Arrangement::named(place.panel);
  ViewSettings& settings = session.settings;
  if (panel.panel == "timeline") {
    settings.time.zoom(factor, settings.time.fraction(place.across));
    return;
  }
  // At least two rows and columns
  const TraceHeader& header = session.recording(panel.run).header();
  const double least = std::min(1.0, 2.0 / static_cast<double>(std::max<Index>({header.Sq, header.Skv, 1})));
  const double limited = std::max(factor, least / settings.keys.width());
  settings.queries.zoom(limited, settings.queries.fraction(place.down));
  settings.keys.zoom(limited, settings.keys.fraction(place.across));
}

void move_part(Session& session, const PlaceInPanel& place, double across) {
  ViewSettings& settings = session.settings;
  (Arrangement::named(place.panel).panel == "timeline" ? settings.time : settings.keys).pan(across);
}

}  // namespace ringattn::viz
