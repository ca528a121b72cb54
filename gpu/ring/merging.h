#pragma once

#include "gpu/kernels/merge.h"
#include "gpu/ring/joining.h"

namespace ringattn::gpu {

// Merges of the states of all devices and, when they have come home, the results.
class Merging : public Joining<MergeStep> {
 public:
  // _common_: what all devices have in common. _clock_: where somebody wants to know the times
  Merging(const AttentionStep& common, Stream& compute, Stream& stream, StreamClock* clock);

  // The state that has come home to a device, and its results
  void finish(const DeviceStep& home);

 private:
  Gathering<AttentionStep> homes_;
  Stream& stream_;
};

}  // namespace ringattn::gpu
