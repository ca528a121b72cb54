#pragma once

#include <optional>

#include "visualizer/draw/drawing.h"
#include "visualizer/session/session.h"

namespace ringattn::viz {

// The wheel, the keys and a drag zoom into a timeline or a matrix, and move the part that is shown.

// The axis of the timeline under the pointer, otherwise the first one; null: there is none
const Element* time_axis(const Drawing& drawing, Point point);
double place_on(const Element& axis, Point point);  // 0 .. 1

// The name of the panel under the pointer; empty: there is none
std::string panel_at(const Drawing& drawing, Point point);
// The timeline or matrix under the pointer: its time axis or its cells, and the place of the pointer there
const Element* axes_at(const Drawing& drawing, Point point);  // null: there is none
std::optional<PlaceInPanel> place_in_panel(const Drawing& drawing, Point point);
// That of the keys: the one under the pointer, otherwise the first timeline, at the playhead, or the first matrix
std::optional<PlaceInPanel> place_of_keys(const Session& session);

// Multiplies the width of the shown part; what is at the place stays there
void zoom_part(Session& session, const PlaceInPanel& place, double factor);
// Moves the shown part to the right by a fraction of its width
void move_part(Session& session, const PlaceInPanel& place, double across);

}  // namespace ringattn::viz
