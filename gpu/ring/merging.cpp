#include "gpu/ring/merging.h"

namespace ringattn::gpu {

Merging::Merging(const AttentionStep& common, Stream& compute, Stream& stream, StreamClock* clock)
    : finish_(common), compute_(compute), stream_(stream), clock_(clock) {
  merge_.B = common.B, merge_.H = common.H, merge_.dv = common.dv;
  merge_.devices = common.devices;
}

void Merging::follow_wave() {
  compute_.record(wave_done_);
  stream_.wait_for(wave_done_);
}

// A later wave writes where this merge reads, and where messages were read that this merge has waited for
void Merging::let_compute_wait() {
  stream_.record(done_);
  compute_.wait_for(done_);
}

void Merging::add(int ring_step, const StatePair& pair) {
  merge_.device[added_++] = pair;
  if (added_ < merge_.devices) return;
  added_ = 0;
  launch_merge(merge_, stream_);
  if (clock_) stream_.record(clock_->merged(ring_step));
  let_compute_wait();
}

void Merging::finish(const DeviceStep& home) {
  finish_.device[added_++] = home;
  if (added_ < finish_.devices) return;
  added_ = 0;
  launch_finish(finish_, stream_);
  let_compute_wait();
}

}  // namespace ringattn::gpu
