#pragma once

#include "gpu/batch/batched_step.h"
#include "gpu/runtime/stream_clock.h"

namespace ringattn::gpu {

// What all devices found out for their visitors is joined with what the devices before them did, in one
// launch as waves are. Joins have a stream of their own, so that only they wait for results that are on their
// way, and the wave before them does not.
template <class Step>
class BatchedAccumulate {
 public:
  using Launch = void (*)(const Step& step, cudaStream_t stream);

  // _common_: what all devices have in common. _clock_: where somebody wants to know the times
  BatchedAccumulate(const Step& common, Launch launch, Stream& compute_stream, Stream& stream, StreamClock* clock)
      : batch_(common), launch_(launch), compute_stream_(compute_stream), stream_(stream), clock_(clock) {}

  // Whatever is asked of the stream from now on waits for the wave
  void wait_for_compute() {
    compute_stream_.record(compute_done_);
    stream_.wait_for(compute_done_);
  }

  // What a device has made for a resident, and what the devices before it have
  void add(int ring_step, const typename BatchedStep<Step>::Part& part) {
    if (!batch_.add(part)) return;
    launch_(batch_.step(), stream_);
    if (clock_) stream_.record(clock_->accumulated(ring_step));
    // A later wave writes where this join reads, and where messages were read that this join has waited for
    stream_.record(done_);
    compute_stream_.wait_for(done_);
  }

 private:
  BatchedStep<Step> batch_;
  Launch launch_;
  Stream &compute_stream_, &stream_;
  StreamClock* clock_;
  CudaEvent compute_done_, done_;
};

}  // namespace ringattn::gpu
