#pragma once

#include <memory>
#include <vector>

#include "gpu/ring/gpu_tensor.h"
#include "gpu/ring/stream_clock.h"
#include "gpu/runtime/stream.h"
#include "reference/ring/link.h"
#include "reference/transport/slots.h"

namespace ringattn::gpu {

// Links between virtual devices of one GPU. Nobody waits on the processor: what a verb waits for, the streams
// wait for. Blocks are copied on a stream of their own, beside the arithmetic, or handed over as they are.
class StreamLink : public Link<OnGpu> {
 public:
  // _spare_: for each device a block into which the largest of all blocks would fit, where blocks are copied.
  // _clock_: where somebody wants to know the times of the messages
  StreamLink(std::vector<GpuBlock> spare, Exchange exchange, Stream& compute, Stream& copies,
             StreamClock* clock);

  double reserve(int device, Lane lane) override;
  void send(int device, Lane lane, const Message<OnGpu>& message) override;
  void receive(int device, Lane lane, Message<OnGpu>& held, double now) override;

 private:
  // The incoming slot of a device
  struct Slot {
    Message<OnGpu> message;
    GpuBlock spare;
    Mark may_leave, arrived;
    double empty_since = 0;  // virtual nanoseconds
  };
  Slot& next(int device) { return *slots_[static_cast<std::size_t>(device + 1) % slots_.size()]; }
  void copy(const GpuBlock& source, GpuBlock& target);

  std::vector<std::unique_ptr<Slot>> slots_;
  Exchange exchange_;
  Stream &compute_, &copies_;
  StreamClock* clock_;
};

}  // namespace ringattn::gpu
