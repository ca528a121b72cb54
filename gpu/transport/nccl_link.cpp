#include "gpu/transport/nccl_link.h"

#include "reference/ring/schedule.h"

namespace ringattn::gpu {

NcclLink::Slot::Slot(ChannelBuffers buffers)
    : compute_stream(buffers.stream), spare(std::move(buffers.spare.front())) {}

NcclLink::NcclLink(PeerGroup& peers, std::vector<Index> rows, ChannelBuffers ahead, ChannelBuffers behind,
                   Stream& copy_stream, StreamClock* clock)
    : peers_(peers),
      rows_(std::move(rows)),
      ahead_(std::move(ahead)),
      behind_(std::move(behind)),
      copy_stream_(copy_stream),
      clock_(clock) {
  peers_.metadata.begin_pass(all_routes(ring_schedule, peers_.mpi.ranks()));
}

double NcclLink::reserve(int device, int to, Channel channel) {
  return peers_.metadata.reserve(device, to, channel);
}

// All devices send at the same time, so a send and its receive are one NCCL group. The group starts when the kernels
// enqueued so far have finished: they may still write the block that is sent, and read the receive buffer
void NcclLink::send(int device, int to, Channel channel, const Message<OnGpu>& message) {
  const auto& [block, timing] = message;
  peers_.metadata.send(device, to, channel, {{block.owner, block.positions, {}}, timing});

  Slot& s = slot(channel);
  s.compute_stream.record(s.ready_to_send);
  copy_stream_.wait_for(s.ready_to_send);
  s.spare.owner = previous_device(block.owner, peers_.mpi.ranks());
  set_rows(s.spare, rows_[static_cast<std::size_t>(s.spare.owner)]);
  peers_.communicator.exchange(transfers(block, s.spare), copy_stream_);
  if (clock_) copy_stream_.record(clock_->arrival(timing.sent));
  copy_stream_.record(s.arrived);
  s.sent = timing.sent;
}

// Swaps the held block with the receive buffer; if none was held, lends the receive buffer
void NcclLink::receive(int device, int from, Channel channel, Message<OnGpu>& held, double now) {
  Message<float> metadata;
  peers_.metadata.receive(device, from, channel, metadata, now);
  Slot& s = slot(channel);
  if (metadata.block.owner != s.spare.owner)
    throw std::runtime_error("[nccl] all devices must send at once; the block of device " +
                             std::to_string(s.spare.owner) + " was to come, and that of device " +
                             std::to_string(metadata.block.owner) + " did");
  s.compute_stream.wait_for(s.arrived);
  if (clock_) clock_->pair_with_send(metadata.timing.sent, s.sent);
  GpuBlock arrived{metadata.block.owner, metadata.block.positions, s.spare.tensors};
  if (!held.block.empty()) s.spare = std::move(held.block);
  held = {std::move(arrived), metadata.timing};
}

}  // namespace ringattn::gpu
