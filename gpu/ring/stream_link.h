#pragma once

#include <memory>
#include <vector>

#include "gpu/ring/stream_clock.h"
#include "gpu/ring/traffic.h"
#include "gpu/runtime/communicator.h"
#include "reference/ring/link.h"
#include "reference/transport/slots.h"

namespace ringattn::gpu {

// Links between virtual devices of one GPU. Nobody waits on the processor: what a verb waits for, the streams
// wait for. Blocks are copied on a stream of their own, beside the arithmetic, or handed over as they are.
class StreamLink : public Link<OnGpu> {
 public:
  // _communicator_: carries what is copied; null: the copy engine does. _clock_: where somebody wants to know
  // the times of the messages
  StreamLink(Traffic ahead, Traffic behind, Exchange exchange, Stream& copies, Communicator* communicator,
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
  struct Slots {
    explicit Slots(Traffic traffic);
    Slot& next(int device) { return *of_device[static_cast<std::size_t>(device + 1) % of_device.size()]; }

    Stream& arithmetic;
    std::vector<std::unique_ptr<Slot>> of_device;
  };
  Slots& slots(Lane lane) { return lane == Lane::ahead ? ahead_ : behind_; }
  void copy(const GpuBlock& source, GpuBlock& target);

  Slots ahead_, behind_;
  Exchange exchange_;
  Stream& copies_;
  Communicator* communicator_;
  StreamClock* clock_;
};

}  // namespace ringattn::gpu
