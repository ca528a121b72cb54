#pragma once

#include "gpu/runtime/stream_clock.h"
#include "gpu/transport/channel_buffers.h"
#include "gpu/transport/peer_group.h"
#include "reference/comm/link.h"

namespace ringattn::gpu {

// The link of the one device of this process. The host waits only for MPI packets, which say whose block arrives and
// when it was sent; NCCL carries the tensors, and only the streams wait for them.
class NcclLink : public Link<OnGpu> {
 public:
  // _rows_: of the travelling blocks, by owner. _clock_: records the times of messages; null: nothing is traced
  NcclLink(PeerGroup& peers, std::vector<Index> rows, ChannelBuffers ahead, ChannelBuffers behind,
           Stream& copy_stream, StreamClock* clock);

  double reserve(int device, int to, Channel channel) override;
  void send(int device, int to, Channel channel, const Message<OnGpu>& message) override;
  void receive(int device, int from, Channel channel, Message<OnGpu>& held, double now) override;

 private:
  // The receive buffer of this device
  struct Slot {
    explicit Slot(ChannelBuffers buffers);

    Stream& compute_stream;
    GpuBlock spare;
    CudaEvent ready_to_send, arrived;
    EventId sent;  // the message that left in the group of the last block that arrived
  };
  Slot& slot(Channel channel) { return channel == Channel::blocks ? ahead_ : behind_; }

  PeerGroup& peers_;
  std::vector<Index> rows_;
  Slot ahead_, behind_;
  Stream& copy_stream_;
  StreamClock* clock_;
};

}  // namespace ringattn::gpu
