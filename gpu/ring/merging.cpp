#include "gpu/ring/merging.h"

namespace ringattn::gpu {

namespace {

MergeStep merge_of(const AttentionStep& common) {
  MergeStep merge;
  merge.B = common.B, merge.H = common.H, merge.dv = common.dv;
  merge.devices = common.devices;
  return merge;
}

}  // namespace

Merging::Merging(const AttentionStep& common, Stream& compute, Stream& stream, StreamClock* clock)
    : Joining(merge_of(common), launch_merge, compute, stream, clock), homes_(common), stream_(stream) {}

void Merging::finish(const DeviceStep& home) {
  if (homes_.add(home)) launch_finish(homes_.step(), stream_);
}

}  // namespace ringattn::gpu
