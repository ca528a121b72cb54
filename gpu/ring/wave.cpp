#include "gpu/ring/wave.h"

namespace ringattn::gpu {

Wave::Wave(const AttentionStep& common, int at_most_rung, Stream& stream, StreamClock* clock)
    : step_(common), rung_(highest_rung(common, at_most_rung)), stream_(stream), clock_(clock) {}

void Wave::add(int ring_step, const DeviceStep& step) {
  step_.device[added_++] = step;
  if (added_ < step_.devices) return;
  added_ = 0;
  step_.first = ring_step == 0;
  step_.last = ring_step == step_.devices - 1;
  if (clock_) stream_.record(clock_->wave(ring_step).begins);
  rung_.launch(step_, stream_);
  if (clock_) stream_.record(clock_->wave(ring_step).ends);
}

}  // namespace ringattn::gpu
