#include "gpu/ring/stream_link.h"

namespace ringattn::gpu {

StreamLink::StreamLink(std::vector<GpuBlock> spare, Exchange exchange, Stream& compute, Stream& copies)
    : exchange_(exchange), compute_(compute), copies_(copies) {
  for (GpuBlock& block : spare) {
    slots_.push_back(std::make_unique<Slot>());
    slots_.back()->spare = std::move(block);
    compute_.record(slots_.back()->emptied);
  }
}

double StreamLink::reserve(int device, Lane) {
  copies_.wait_for(next(device).emptied);
  return next(device).empty_since;
}

void StreamLink::send(int device, Lane, const Message<OnGpu>& message) {
  Slot& slot = next(device);
  slot.message = message;
  if (exchange_ == Exchange::copied) {
    slot.message.block.tensors = slot.spare.tensors;
    for (std::size_t i = 0; i < message.block.tensors.size(); ++i) {
      const GpuTensor& source = message.block[i];
      GpuTensor& target = *slot.spare.tensors[i];
      target.take_shape(source.shape());
      copies_.copy(target.data(), source.data(), static_cast<std::size_t>(source.bytes()));
    }
  }
  slot.message.stamp.arrives_w = WallClock::now();
  copies_.record(slot.arrived);
}

// The block that was held becomes the spare one, once the arithmetic that was asked for so far is done
void StreamLink::receive(int device, Lane, Message<OnGpu>& held, double now) {
  Slot& slot = *slots_[static_cast<std::size_t>(device)];
  compute_.wait_for(slot.arrived);
  compute_.record(slot.emptied);
  slot.spare = std::move(held.block);
  held = std::move(slot.message);
  slot.message = {};
  slot.empty_since = std::max(now, held.stamp.arrives_t);
}

}  // namespace ringattn::gpu
