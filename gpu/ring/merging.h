#pragma once

#include "gpu/kernels/merge.h"
#include "gpu/ring/stream_clock.h"

namespace ringattn::gpu {

// Merges of the states of all devices, launched together as waves are. They have a stream of their own, so
// that only they wait for states that are on their way, and the wave before them does not.
class Merging {
 public:
  // _common_: what all devices have in common. _clock_: where somebody wants to know the times
  Merging(const AttentionStep& common, Stream& compute, Stream& stream, StreamClock* clock);

  // Whatever is asked of the stream from now on waits for the wave
  void follow_wave();

  // The state that a device has made of a visitor, and what the devices before it have
  void add(int ring_step, const StatePair& pair);

  // The state that has come home to a device, and its results
  void finish(const DeviceStep& home);

 private:
  void let_compute_wait();

  MergeStep merge_;
  AttentionStep finish_;
  Stream &compute_, &stream_;
  StreamClock* clock_;
  Mark wave_done_, done_;
  int added_ = 0;
};

}  // namespace ringattn::gpu
