#include "gpu/ring/stream_link.h"

namespace ringattn::gpu {

StreamLink::Slots::Slots(Traffic traffic) : arithmetic(traffic.stream) {
  for (GpuBlock& block : traffic.spare) {
    of_device.push_back(std::make_unique<Slot>());
    of_device.back()->spare = std::move(block);
  }
}

StreamLink::StreamLink(Traffic ahead, Traffic behind, Exchange exchange, Stream& copies,
                       Communicator* communicator, StreamClock* clock)
    : ahead_(std::move(ahead)),
      behind_(std::move(behind)),
      exchange_(exchange),
      copies_(copies),
      communicator_(communicator),
      clock_(clock) {}

double StreamLink::reserve(int device, Lane lane) { return slots(lane).next(device).empty_since; }

void StreamLink::copy(const GpuBlock& source, GpuBlock& target) {
  for (std::size_t i = 0; i < source.tensors.size(); ++i) target.tensors[i]->take_shape(source[i].shape());
  const std::vector<Communicator::Parcel> all = parcels(source, target);
  if (communicator_) return communicator_->pass(all, copies_);
  for (const auto& [from, bytes, to, same_bytes] : all) copies_.copy(to, from, bytes);
}

// A message leaves when the arithmetic that was asked for so far is done: it may have to write what is sent,
// and it may still read what lies in the slot
void StreamLink::send(int device, Lane lane, const Message<OnGpu>& message) {
  Stream& arithmetic = slots(lane).arithmetic;
  Slot& slot = slots(lane).next(device);
  arithmetic.record(slot.may_leave);
  copies_.wait_for(slot.may_leave);

  slot.message = message;
  if (exchange_ == Exchange::copied) {
    copy(message.block, slot.spare);
    slot.message.block.tensors = slot.spare.tensors;
  }
  if (clock_) copies_.record(clock_->arrival(message.stamp.sent));
  copies_.record(slot.arrived);
}

// The block that was held becomes the spare one. Where none was held, the slot lends its own
void StreamLink::receive(int device, Lane lane, Message<OnGpu>& held, double now) {
  Slot& slot = *slots(lane).of_device[static_cast<std::size_t>(device)];
  slots(lane).arithmetic.wait_for(slot.arrived);
  if (!held.block.empty()) slot.spare = std::move(held.block);
  held = std::move(slot.message);
  slot.message = {};
  slot.empty_since = std::max(now, held.stamp.arrives_t);
}

}  // namespace ringattn::gpu
