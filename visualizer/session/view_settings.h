#pragma once

#include <optional>
#include <string>

#include "visualizer/model/recording.h"
#include "visualizer/model/target.h"
#include "visualizer/session/axis_range.h"

namespace ringattn::viz {

// Of a tile: the owner of its keys, the device that computes it, or the step; or the score of each pair
enum class MatrixColoring { owner, device, step, score };

// How a recording is displayed.
struct ViewSettings {
  std::string theme = "dark";
  double scale = 1;  // display scale, 0.75 .. 3
  Clock clock = Clock::modelled;
  MatrixColoring matrix = MatrixColoring::owner;
  bool presenting = false;     // larger type, no controls
  bool critical_path = false;  // outlined in the timeline
  bool reduced_motion = false;
  bool laser = false;       // a bright spot at the pointer
  AxisRange time;           // of the timelines
  AxisRange queries, keys;  // of the matrices
  std::string zoomed;       // the panel that fills the screen, "ring" or "timeline:1"; empty: none
  std::string alone;        // the only panel of a small screen, unless one is zoomed; empty: all panels
  std::string docked;       // a panel at the right edge, "code" or "memory"; empty: none

  // The scale of type and panels: in a hall, the last row must be able to read them
  double display_scale() const { return presenting ? 1.25 * scale : scale; }
};

// A place between the edges of the shown part of a timeline or a matrix, 0 .. 1.
struct PlaceInPanel {
  std::string panel;  // "timeline", "matrix:1"
  double across = 0, down = 0;
};

// The selected device and row, and the targets under the pointer and pinned.
struct Selection {
  int device = 0;
  Index row = 0;  // global query row
  Target hovered, pinned;
  int hovered_run = 0, pinned_run = 0;  // runs of these targets
  std::string panel;                    // panel under the pointer, such as "timeline:1"; empty: none
  std::optional<PlaceInPanel> place;    // of the pointer

  // Whether a target is to be highlighted because it is under the pointer or pinned
  bool highlights(const Target& target) const { return target && (target == hovered || target == pinned); }
};

}  // namespace ringattn::viz
