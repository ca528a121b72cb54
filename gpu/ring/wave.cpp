#include "gpu/ring/wave.h"

namespace ringattn::gpu {

Wave::Wave(const AttentionStep& common, Rotation rotate, int at_most_rung, Stream& stream, StreamClock* clock)
    : step_(common),
      rotate_(rotate),
      rung_(highest_rung(common, at_most_rung)),
      stream_(stream),
      clock_(clock) {}

bool Wave::add(int ring_step, const DeviceStep& step) {
  step_.device[added_++] = step;
  if (added_ < step_.devices) return false;
  added_ = 0;
  step_.first = rotate_ == Rotation::q || ring_step == 0;
  step_.last = rotate_ == Rotation::kv && ring_step == step_.devices - 1;
  if (clock_) stream_.record(clock_->wave(ring_step).begins);
  rung_.launch(step_, stream_);
  if (clock_) stream_.record(clock_->wave(ring_step).ends);
  return true;
}

}  // namespace ringattn::gpu
