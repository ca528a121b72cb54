#pragma once

#include <string>
#include <vector>

#include "visualizer/layout/geometry.h"

namespace ringattn::viz {

// Which panels stand beside or above one another: a panel, or a row or column of arrangements.
struct Arrangement {
  std::string panel;               // "ring", "matrix", ...; empty where there are parts
  int run = 0;                     // of the runs that a scene compares, the one that the panel shows
  std::vector<Arrangement> parts;  // the most important first
  bool stacked = false;            // the parts stand above one another, not side by side
  float weight = 1;                // share of the room beside its siblings

  static Arrangement of(std::string panel) { return {std::move(panel), 0, {}, false, 1}; }
  // "ring", or "timeline:1" for that of the second run
  static Arrangement named(const std::string& name);
  std::string name() const { return run ? panel + ":" + std::to_string(run) : panel; }

  // The most important of all its panels
  const Arrangement& first() const { return parts.empty() ? *this : parts.front().first(); }
};

struct PlacedPanel {
  std::string panel;
  int run = 0;
  Rect rect;
};

// Whether there is a panel of that name
bool is_panel(const std::string& panel);

// The least room in which a panel says something, in points
Size min_size(const std::string& panel);

// Gives each panel its place in _room_. Panels for which there is no room are left out, the last of their row
// or column first; one always stays.
std::vector<PlacedPanel> place(const Arrangement& arrangement, const Rect& room);

}  // namespace ringattn::viz
