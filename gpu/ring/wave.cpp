#include "gpu/ring/wave.h"

namespace ringattn::gpu {

Wave::Wave(const AttentionStep& common, int at_most_rung, Stream& stream)
    : step_(common), rung_(highest_rung(common, at_most_rung)), stream_(stream) {}

void Wave::add(int ring_step, const DeviceStep& step) {
  step_.device[added_++] = step;
  if (added_ < step_.devices) return;
  added_ = 0;
  step_.first = ring_step == 0;
  step_.last = ring_step == step_.devices - 1;
  rung_.launch(step_, stream_);
}

}  // namespace ringattn::gpu
