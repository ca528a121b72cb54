#pragma once

#include "gpu/kernels/merge.h"
#include "gpu/batch/batched_accumulate.h"

namespace ringattn::gpu {

// Merges of the states of all devices and, when they have come home, the results.
class BatchedMerge : public BatchedAccumulate<MergeStep> {
 public:
  // _common_: what all devices have in common. _clock_: where somebody wants to know the times
  BatchedMerge(const AttentionStep& common, Stream& compute_stream, Stream& stream, StreamClock* clock);

  // The state that has come home to a device, and its results
  void finish(const DeviceStep& home);

 private:
  BatchedStep<AttentionStep> finish_batch_;
  Stream& stream_;
};

}  // namespace ringattn::gpu
