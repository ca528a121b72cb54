#pragma once

#include <vector>

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// The chain of events without which the run could not have ended sooner: from the last event back, each time
// to what it had to wait for. In the order of time.
std::vector<const Span*> critical_path(const Recording& recording, Clock clock);

// What one device did with its time, as parts of the whole.
struct TimeUse {
  double busy = 0;     // in arithmetic
  double exposed = 0;  // waiting while a message for it was under way
  double waiting = 0;  // waiting for whatever reason
};
TimeUse time_use(const Recording& recording, int device, Clock clock);

// What the devices do in arithmetic, of the time that they all take: the efficiency of the run.
double efficiency(const Recording& recording, Clock clock);

}  // namespace ringattn::viz
