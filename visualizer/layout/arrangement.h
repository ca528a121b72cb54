#pragma once

#include <string>
#include <vector>

#include "visualizer/layout/geometry.h"

namespace ringattn::viz {

// The arrangement of the panels on the screen: one panel, or a row or column of arrangements.
struct Arrangement {
  std::string panel;               // "ring", "matrix", ...; empty if there are parts
  int run = 0;                     // index of the run that the panel shows, if a scene compares several
  std::vector<Arrangement> parts;  // in order of importance
  bool stacked = false;            // parts from top to bottom, not side by side
  float weight = 1;                // share of the space among its siblings

  static Arrangement of(std::string panel) { return {std::move(panel), 0, {}, false, 1}; }
  // From a name: "ring", or "timeline:1" for the timeline of the second run
  static Arrangement named(const std::string& name);
  std::string name() const { return run ? panel + ":" + std::to_string(run) : panel; }

  // The names of all panels, the most important first
  std::vector<std::string> names() const;
  // The most important panel
  const Arrangement& first() const { return parts.empty() ? *this : parts.front().first(); }
};

struct PlacedPanel {
  std::string panel;
  int run = 0;
  Rect rect;
};

// Whether a panel with this name exists
bool is_panel(const std::string& panel);

// "ring, matrix, ..."
std::string panel_names();

// The smallest useful size of a panel, in points
Size min_size(const std::string& panel);

// Places the panels in _room_. Panels that do not fit are left out, the last of their row or column first; at least one
// panel remains.
std::vector<PlacedPanel> place(const Arrangement& arrangement, const Rect& room);

}  // namespace ringattn::viz
