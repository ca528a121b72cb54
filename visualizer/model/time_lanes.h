#pragma once

#include <vector>

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// The messages of one device in as few lanes as possible, so that no two in one lane overlap in time. Messages on
// several routes arrive at the same time, and those on several links leave at the same time.
struct TimeLanes {
  int count = 1;
  std::vector<int> of;  // by the number of a span on its device; 0 for other events
};

// _kind_: send or recv
TimeLanes time_lanes(const Recording& recording, int device, EventKind kind, Clock clock);

}  // namespace ringattn::viz
