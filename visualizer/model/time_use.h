#pragma once

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// The time of one device by activity, as fractions of the duration of the run.
struct TimeUse {
  double busy = 0;     // arithmetic
  double exposed = 0;  // waiting while a message to the device was in flight
  double waiting = 0;  // waiting for any reason
};
TimeUse time_use(const Recording& recording, int device, Clock clock);

// The efficiency of the run: the mean fraction of time that the devices spend in arithmetic.
double efficiency(const Recording& recording, Clock clock);

}  // namespace ringattn::viz
