#pragma once

#include <functional>
#include <type_traits>

#include "gpu/runtime/stream_clock.h"

namespace ringattn::gpu {

// Virtual devices share one GPU. At each step of the ring, every device adds its part to a batch, and the last one
// launches a single kernel for all of them; P small grids would fill the GPU badly.
//
//   device 0  add ┐
//   device 1  add ├─ launch ──►  compute stream:     step 0 │ step 1 │ step 2 │
//   device 2  add ┘                                        │        │
//                               accumulate stream:          sum 0    sum 1      waits for messages as well

// The parameters of one launch, collected from the devices one by one.
template <class Step>
class BatchedStep {
 public:
  using Part = std::remove_extent_t<decltype(Step::device)>;  // the part of one device

  // _common_: the parameters that all devices share
  explicit BatchedStep(const Step& common) : step_(common) {}

  // Returns true if this was the last device
  bool add(const Part& part) {
    step_.device[added_++] = part;
    if (added_ < step_.devices) return false;
    added_ = 0;
    return true;
  }
  Step& step() { return step_; }

 private:
  Step step_;
  int added_ = 0;
};

// The computation of a step of the ring: one kernel for all devices.
template <class Step>
class BatchedLaunch {
 public:
  using Part = typename BatchedStep<Step>::Part;
  using Launch = std::function<void(Step& step, int ring_step, cudaStream_t stream)>;

  // _common_: the parameters that all devices and all steps share; _launch_ sets those of a step of the ring.
  // _clock_: records when the kernel begins and ends; null: nothing is traced
  BatchedLaunch(const Step& common, Launch launch, Stream& stream, StreamClock* clock)
      : batch_(common), launch_(std::move(launch)), stream_(stream), clock_(clock) {}

  // Returns true if this was the last device, and the kernel is launched
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

// Adds the results that arrive to those that were computed here: one kernel for all devices. It runs on a stream of
// its own, because only this kernel waits for results that are still in transit; the computation does not.
template <class Step>
class BatchedAccumulate {
 public:
  using Launch = void (*)(const Step& step, cudaStream_t stream);

  // As for BatchedLaunch
  BatchedAccumulate(const Step& common, Launch launch, Stream& compute_stream, Stream& stream,
                    StreamClock* clock)
      : batch_(common), launch_(launch), compute_stream_(compute_stream), stream_(stream), clock_(clock) {}

  // Makes later work of the accumulate stream wait for the kernel of this step
  void wait_for_compute() {
    compute_stream_.record(compute_done_);
    stream_.wait_for(compute_done_);
  }

  // The result of a device for the resident block, and the contributions of earlier devices
  void add(int ring_step, const typename BatchedStep<Step>::Part& part) {
    if (!batch_.add(part)) return;
    launch_(batch_.step(), stream_);
    if (clock_) stream_.record(clock_->accumulated(ring_step));

    // A later step overwrites the buffers that this kernel reads
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
