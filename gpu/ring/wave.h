#pragma once

#include "gpu/kernels/ladder.h"
#include "gpu/ring/stream_clock.h"

namespace ringattn::gpu {

// The steps of all devices, launched together: when the last device has said what it wants, one kernel does
// it for all of them. A ring on one GPU would otherwise measure how badly small grids fill it.
class Wave {
 public:
  // _common_: what all devices and all steps have in common. _clock_: where somebody wants to know the times
  Wave(const AttentionStep& common, int at_most_rung, Stream& stream, StreamClock* clock);

  void add(int ring_step, const DeviceStep& step);

 private:
  AttentionStep step_;
  const Rung& rung_;
  Stream& stream_;
  StreamClock* clock_;
  int added_ = 0;
};

}  // namespace ringattn::gpu
