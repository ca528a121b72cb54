#pragma once

#include "gpu/transport/peer_group.h"
#include "gpu/runtime/stream_clock.h"
#include "gpu/transport/channel_buffers.h"
#include "reference/comm/link.h"

namespace ringattn::gpu {

// The links of the device that lives in this process. The processor waits for letters alone, which say whose
// block comes and when it was sent; for the numbers, which NCCL carries, the streams wait.
class NcclLink : public Link<OnGpu> {
 public:
  // _rows_: of the blocks that travel, by owner. _clock_: where somebody wants to know the times of the
  // messages
  NcclLink(PeerGroup& peers, std::vector<Index> rows, ChannelBuffers ahead, ChannelBuffers behind, Stream& copy_stream,
           StreamClock* clock);

  double reserve(int device, Channel channel) override;
  void send(int device, Channel channel, const Message<OnGpu>& message) override;
  void receive(int device, Channel channel, Message<OnGpu>& held, double now) override;

 private:
  // The incoming slot of this device
  struct Slot {
    explicit Slot(ChannelBuffers buffers);

    Stream& compute_stream;
    GpuBlock spare;
    CudaEvent ready_to_send, arrived;
    EventId sent;  // what left when the last block came
  };
  Slot& slot(Channel channel) { return channel == Channel::blocks ? ahead_ : behind_; }

  PeerGroup& peers_;
  std::vector<Index> rows_;
  Slot ahead_, behind_;
  Stream& copy_stream_;
  StreamClock* clock_;
};

}  // namespace ringattn::gpu
