#pragma once

#include "gpu/ring/gathering.h"
#include "gpu/ring/stream_clock.h"

namespace ringattn::gpu {

// What all devices found out for their visitors is joined with what the devices before them did, in one
// launch as waves are. Joins have a stream of their own, so that only they wait for results that are on their
// way, and the wave before them does not.
template <class Step>
class Joining {
 public:
  using Launch = void (*)(const Step& step, cudaStream_t stream);

  // _common_: what all devices have in common. _clock_: where somebody wants to know the times
  Joining(const Step& common, Launch launch, Stream& compute, Stream& stream, StreamClock* clock)
      : gathering_(common), launch_(launch), compute_(compute), stream_(stream), clock_(clock) {}

  // Whatever is asked of the stream from now on waits for the wave
  void follow_wave() {
    compute_.record(wave_done_);
    stream_.wait_for(wave_done_);
  }

  // What a device has made for a visitor, and what the devices before it have
  void add(int ring_step, const typename Gathering<Step>::Part& part) {
    if (!gathering_.add(part)) return;
    launch_(gathering_.step(), stream_);
    if (clock_) stream_.record(clock_->joined(ring_step));
    // A later wave writes where this join reads, and where messages were read that this join has waited for
    stream_.record(done_);
    compute_.wait_for(done_);
  }

 private:
  Gathering<Step> gathering_;
  Launch launch_;
  Stream &compute_, &stream_;
  StreamClock* clock_;
  Mark wave_done_, done_;
};

}  // namespace ringattn::gpu
