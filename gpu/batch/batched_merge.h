#pragma once

#include "gpu/batch/batched_launch.h"
#include "gpu/kernels/merge.h"

namespace ringattn::gpu {

// Merges the states (m, l, O) of all devices, and computes out and lse once the states are back at their owners.
class BatchedMerge : public BatchedAccumulate<MergeStep> {
 public:
  // As for BatchedLaunch
  BatchedMerge(const AttentionStep& common, Stream& compute_stream, Stream& stream, StreamClock* clock)
      : BatchedAccumulate(merge_step(common), launch_merge, compute_stream, stream, clock),
        finish_batch_(common),
        stream_(stream) {}

  // The complete state of a device, and where its results go
  void finish(const DeviceStep& own) {
    if (finish_batch_.add(own)) launch_finish(finish_batch_.step(), stream_);
  }

 private:
  static MergeStep merge_step(const AttentionStep& common) {
    MergeStep merge;
    merge.B = common.B, merge.H = common.H, merge.dv = common.dv;
    merge.devices = common.devices;
    return merge;
  }

  BatchedStep<AttentionStep> finish_batch_;
  Stream& stream_;
};

}  // namespace ringattn::gpu
