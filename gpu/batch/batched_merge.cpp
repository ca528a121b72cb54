#include "gpu/batch/batched_merge.h"

namespace ringattn::gpu {

namespace {

MergeStep merge_of(const AttentionStep& common) {
  MergeStep merge;
  merge.B = common.B, merge.H = common.H, merge.dv = common.dv;
  merge.devices = common.devices;
  return merge;
}

}  // namespace

BatchedMerge::BatchedMerge(const AttentionStep& common, Stream& compute_stream, Stream& stream, StreamClock* clock)
    : BatchedAccumulate(merge_of(common), launch_merge, compute_stream, stream, clock), finish_batch_(common), stream_(stream) {}

void BatchedMerge::finish(const DeviceStep& home) {
  if (finish_batch_.add(home)) launch_finish(finish_batch_.step(), stream_);
}

}  // namespace ringattn::gpu
