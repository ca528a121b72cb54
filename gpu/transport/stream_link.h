#pragma once

#include <memory>
#include <vector>

#include "gpu/runtime/communicator.h"
#include "gpu/runtime/stream_clock.h"
#include "gpu/transport/channel_buffers.h"
#include "reference/comm/link.h"
#include "reference/ring/ring_options.h"

namespace ringattn::gpu {

// Links between virtual devices of one GPU. The host never waits; streams wait for events instead. Blocks are copied on
// a separate stream, concurrently with the kernels, or moved by passing pointers.
class StreamLink : public Link<OnGpu> {
 public:
  // _communicator_: copies messages; null: cudaMemcpyAsync does. _clock_: records the times of messages; null: nothing
  // is traced
  StreamLink(ChannelBuffers ahead, ChannelBuffers behind, Exchange exchange, Stream& copy_stream,
             Communicator* communicator, StreamClock* clock);

  double reserve(int device, int to, Channel channel) override;
  void send(int device, int to, Channel channel, const Message<OnGpu>& message) override;
  void receive(int device, int from, Channel channel, Message<OnGpu>& held, double now) override;

 private:
  // The receive buffer of a device
  struct Slot {
    Message<OnGpu> message;
    GpuBlock spare;
    CudaEvent ready_to_send, arrived;
    double empty_since = 0;  // virtual nanoseconds
  };
  struct ChannelSlots {
    explicit ChannelSlots(ChannelBuffers buffers);
    Slot& next(int device) { return *of_device[static_cast<std::size_t>(device + 1) % of_device.size()]; }

    Stream& compute_stream;
    std::vector<std::unique_ptr<Slot>> of_device;
  };
  ChannelSlots& slots(Channel channel) { return channel == Channel::blocks ? ahead_ : behind_; }
  void copy(const GpuBlock& source, GpuBlock& target);

  ChannelSlots ahead_, behind_;
  Exchange exchange_;
  Stream& copy_stream_;
  Communicator* communicator_;
  StreamClock* clock_;
};

}  // namespace ringattn::gpu
