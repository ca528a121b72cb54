#pragma once

#include "gpu/kernels/ladder.h"
#include "gpu/ring/stream_clock.h"
#include "reference/transport/ring_attention.h"

namespace ringattn::gpu {

// The steps of all devices, launched together: when the last device has said what it wants, one kernel does
// it for all of them. A ring on one GPU would otherwise measure how badly small grids fill it. Where K and V
// rotate, states are carried from wave to wave; where Q rotates, each wave makes states of its own.
class Wave {
 public:
  // _common_: what all devices and all steps have in common. _clock_: where somebody wants to know the times
  Wave(const AttentionStep& common, Rotation rotate, int at_most_rung, Stream& stream, StreamClock* clock);

  // Whether this was the last device, and the wave is launched
  bool add(int ring_step, const DeviceStep& step);

 private:
  AttentionStep step_;
  Rotation rotate_;
  const Rung& rung_;
  Stream& stream_;
  StreamClock* clock_;
  int added_ = 0;
};

}  // namespace ringattn::gpu
