#pragma once

#include <string>

#include "visualizer/model/recording.h"
#include "visualizer/model/target.h"

namespace ringattn::viz {

enum class MatrixColoring { owner, step, score };

// How a recording is looked at.
struct ViewSettings {
  std::string theme = "dark";
  double scale = 1;  // of everything, 0.75 .. 3
  Clock clock = Clock::modelled;
  MatrixColoring matrix = MatrixColoring::owner;
  bool presenting = false;     // large type, no bars
  bool critical_path = false;  // outlined in the timeline
  bool reduced_motion = false;
  bool laser = false;  // a bright spot at the pointer
  std::string zoomed;  // the panel that fills the screen, "ring" or "timeline:1"; empty: none
};

// What is pointed at and what is held fast.
struct Selection {
  int device = 0;
  Index row = 0;  // of the queries, global
  Target hovered, pinned;
  int hovered_run = 0, pinned_run = 0;  // of those that are compared
  std::string panel;                    // in which the pointer is, as "timeline:1"; empty: none

  // Whether something is to be highlighted because it, or what it belongs to, is pointed at or held fast
  bool highlights(const Target& target) const { return target && (target == hovered || target == pinned); }
};

}  // namespace ringattn::viz
