#pragma once

#include <functional>

#include "gpu/batch/batched_step.h"
#include "gpu/runtime/stream_clock.h"

namespace ringattn::gpu {

// The arithmetic of a step of the ring: when the last device has said what it wants, one kernel does it for
// all of them. A ring on one GPU would otherwise measure how badly small grids fill it.
template <class Step>
class BatchedLaunch {
 public:
  using Part = typename BatchedStep<Step>::Part;
  using Launch = std::function<void(Step& step, int ring_step, cudaStream_t stream)>;

  // _common_: what all devices and all steps have in common; _launch_ adds what this step of the ring asks
  // for. _clock_: where somebody wants to know the times
  BatchedLaunch(const Step& common, Launch launch, Stream& stream, StreamClock* clock)
      : batch_(common), launch_(std::move(launch)), stream_(stream), clock_(clock) {}

  // Whether this was the last device, and the wave is launched
  bool add(int ring_step, const Part& part) {
    if (!batch_.add(part)) return false;
    if (clock_) stream_.record(clock_->compute_events(ring_step).begins);
    launch_(batch_.step(), ring_step, stream_);
    if (clock_) stream_.record(clock_->compute_events(ring_step).ends);
    return true;
  }

 private:
  BatchedStep<Step> batch_;
  Launch launch_;
  Stream& stream_;
  StreamClock* clock_;
};

}  // namespace ringattn::gpu
