#pragma once

#include <limits>

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// The time of one device by activity, as fractions of the time until a moment. An operation that has not ended is
// counted until then; a complete run, until its end.
struct TimeUse {
  double busy = 0;     // arithmetic
  double waiting = 0;  // waiting for any reason
  bool open = false;   // in a wait or a send that has not ended when the trace ends
};
TimeUse time_use(const Recording& recording, int device, Clock clock,
                 double until = std::numeric_limits<double>::infinity());

// The efficiency of the run: the mean fraction of time that the devices spend in arithmetic.
double efficiency(const Recording& recording, Clock clock,
                  double until = std::numeric_limits<double>::infinity());

}  // namespace ringattn::viz
