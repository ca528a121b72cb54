#pragma once

#include <vector>

#include "reference/planner/strategy/ring_pass.h"
#include "reference/trace/event.h"

namespace ringattn::planner {

// The times of one device in a pass, in virtual nanoseconds.
struct DeviceTime {
  double busy = 0;  // arithmetic
  double wait = 0;  // for messages, and for the buffer of the next device
  double end = 0;   // since the beginning of the pass
};

// The virtual clock of a pass around the ring: the loop of ring/loop.h with the times of Recorder (trace/recorder.h),
// without tensors and events. The times are those of a traced run. _costs_: of each device and its outgoing link.
// _message_part_: the part of each message that travels over that link, 1/2 if halves travel in both directions.
std::vector<DeviceTime> ring_clock(const RingPass& pass, const AttentionShape& shape, Layout layout,
                                   const std::vector<CostModel>& costs, bool overlap,
                                   double message_part = 1);

}  // namespace ringattn::planner
