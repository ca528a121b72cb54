#pragma once

#include <vector>

#include "visualizer/model/recording.h"

namespace ringattn::viz {

// A part of the critical path: arithmetic on a device, or the way of a message to the next device.
struct PathPart {
  const Span* span;             // compute or send
  double began = 0, ended = 0;  // of a send: when the message has arrived
};

// The chain of arithmetic and messages that determines the duration of the run, from the start to the last device that
// finishes. In modelled time each part begins when the part before it ends, so the parts add up to the duration.
std::vector<PathPart> critical_path(const Recording& recording, Clock clock);

}  // namespace ringattn::viz
