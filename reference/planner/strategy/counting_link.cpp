#include "reference/planner/strategy/counting_link.h"

#include <algorithm>
#include <stdexcept>

namespace ringattn::planner {

CountingLink::Slot& CountingLink::slot_of(const Route& route) {
  const auto number = [](auto part) { return static_cast<std::uint64_t>(part); };
  const std::uint64_t pair = number(route.from) * sent_.size() + number(route.to);
  return slots_[pair * channel_count + number(route.channel)];
}

void CountingLink::send(int device, int to, Channel channel, const Message<NoNumbers>& message) {
  Slot& slot = slot_of({device, to, channel});
  if (slot.full)
    throw std::logic_error("[plan] in lockstep a slot is empty before a send; found a full one from device " +
                           std::to_string(device) + " to device " + std::to_string(to));
  slot.message = message, slot.full = true;

  Sent& sent = sent_[static_cast<std::size_t>(device)];
  ++sent.messages;
  (cost_.link_between(device, to).is_network() ? sent.network_bytes : sent.node_bytes) +=
      message.block.bytes();
}

void CountingLink::receive(int device, int from, Channel channel, Message<NoNumbers>& held, double now) {
  Slot& slot = slot_of({from, device, channel});
  if (!slot.full)
    throw std::logic_error(
        "[plan] in lockstep a message is sent before it is received; found none from device " +
        std::to_string(from) + " to device " + std::to_string(device));
  held = slot.message, slot.full = false;
  slot.empty_since = std::max(now, held.timing.arrives_t);
}

}  // namespace ringattn::planner
