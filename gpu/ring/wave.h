#pragma once

#include "gpu/kernels/ladder.h"
#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// The steps of all devices, launched together: when the last device has said what it wants, one kernel does
// it for all of them. A ring on one GPU would otherwise measure how badly small grids fill it.
class Wave {
 public:
  // _common_: what all devices and all steps have in common
  Wave(const AttentionStep& common, int at_most_rung, Stream& stream);

  void add(int ring_step, const DeviceStep& step);

 private:
  AttentionStep step_;
  const Rung& rung_;
  Stream& stream_;
  int added_ = 0;
};

}  // namespace ringattn::gpu
