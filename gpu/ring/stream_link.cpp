#include "gpu/ring/stream_link.h"

namespace ringattn::gpu {

StreamLink::StreamLink(std::vector<GpuBlock> spare, Exchange exchange, Stream& compute, Stream& copies,
                       StreamClock* clock)
    : exchange_(exchange), compute_(compute), copies_(copies), clock_(clock) {
  for (GpuBlock& block : spare) {
    slots_.push_back(std::make_unique<Slot>());
    slots_.back()->spare = std::move(block);
  }
}

double StreamLink::reserve(int device, Lane) { return next(device).empty_since; }

void StreamLink::copy(const GpuBlock& source, GpuBlock& target) {
  for (std::size_t i = 0; i < source.tensors.size(); ++i) {
    target.tensors[i]->take_shape(source[i].shape());
    copies_.copy(target.tensors[i]->data(), source[i].data(), static_cast<std::size_t>(source[i].bytes()));
  }
}

// A message leaves when the arithmetic that was asked for so far is done: it may have to write what is sent,
// and it may still read what lies in the slot
void StreamLink::send(int device, Lane, const Message<OnGpu>& message) {
  Slot& slot = next(device);
  compute_.record(slot.may_leave);
  copies_.wait_for(slot.may_leave);
  StreamClock::Stretch* const journey = clock_ ? &clock_->journey(message.stamp.sent) : nullptr;
  if (journey) compute_.record(journey->begins);

  slot.message = message;
  if (exchange_ == Exchange::copied) {
    copy(message.block, slot.spare);
    slot.message.block.tensors = slot.spare.tensors;
  }
  copies_.record(slot.arrived);
  if (journey) copies_.record(journey->ends);
}

// The block that was held becomes the spare one
void StreamLink::receive(int device, Lane, Message<OnGpu>& held, double now) {
  Slot& slot = *slots_[static_cast<std::size_t>(device)];
  compute_.wait_for(slot.arrived);
  slot.spare = std::move(held.block);
  held = std::move(slot.message);
  slot.message = {};
  slot.empty_since = std::max(now, held.stamp.arrives_t);
}

}  // namespace ringattn::gpu
