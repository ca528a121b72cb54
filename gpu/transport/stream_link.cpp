#include "gpu/transport/stream_link.h"

namespace ringattn::gpu {

StreamLink::ChannelSlots::ChannelSlots(ChannelBuffers buffers) : compute_stream(buffers.stream) {
  for (GpuBlock& block : buffers.spare) {
    of_device.push_back(std::make_unique<Slot>());
    of_device.back()->spare = std::move(block);
  }
}

StreamLink::StreamLink(ChannelBuffers ahead, ChannelBuffers behind, Exchange exchange, Stream& copy_stream,
                       Communicator* communicator, StreamClock* clock)
    : ahead_(std::move(ahead)),
      behind_(std::move(behind)),
      exchange_(exchange),
      copy_stream_(copy_stream),
      communicator_(communicator),
      clock_(clock) {}

double StreamLink::reserve(int device, int /*to*/, Channel channel) {
  return slots(channel).next(device).empty_since;
}

void StreamLink::copy(const GpuBlock& source, GpuBlock& target) {
  for (std::size_t i = 0; i < source.tensors.size(); ++i) target.tensors[i]->set_shape(source[i].shape());
  const std::vector<Communicator::Transfer> all = transfers(source, target);
  if (communicator_) return communicator_->exchange(all, copy_stream_);
  for (const auto& [from, bytes, to, same_bytes] : all) copy_stream_.copy(to, from, bytes);
}

// The copy starts when the kernels enqueued so far have finished: they may still write the block that is sent, and read
// the receive buffer
void StreamLink::send(int device, int /*to*/, Channel channel, const Message<OnGpu>& message) {
  Stream& compute_stream = slots(channel).compute_stream;
  Slot& slot = slots(channel).next(device);
  compute_stream.record(slot.ready_to_send);
  copy_stream_.wait_for(slot.ready_to_send);

  slot.message = message;
  if (exchange_ == Exchange::copy) {
    copy(message.block, slot.spare);
    slot.message.block.tensors = slot.spare.tensors;
  }
  if (clock_) copy_stream_.record(clock_->arrival(message.timing.sent));
  copy_stream_.record(slot.arrived);
}

// Swaps the held block with the receive buffer; if none was held, lends the receive buffer
void StreamLink::receive(int device, int /*from*/, Channel channel, Message<OnGpu>& held, double now) {
  Slot& slot = *slots(channel).of_device[static_cast<std::size_t>(device)];
  slots(channel).compute_stream.wait_for(slot.arrived);
  if (!held.block.empty()) slot.spare = std::move(held.block);
  held = std::move(slot.message);
  slot.message = {};
  slot.empty_since = std::max(now, held.timing.arrives_t);
}

}  // namespace ringattn::gpu
