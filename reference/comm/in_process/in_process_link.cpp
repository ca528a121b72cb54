#include "reference/comm/in_process/in_process_link.h"

#include <algorithm>

#include "reference/comm/neighbours.h"

namespace ringattn {

template <class T>
InProcessLink<T>::InProcessLink(int devices, Exchange exchange, RunMonitor& monitor)
    : devices_(devices), exchange_(exchange), monitor_(monitor) {
  for (auto& channel : slots_) {
    channel.resize(static_cast<std::size_t>(devices));
    for (int device = 0; device < devices; ++device) {
      Slot& slot = channel[static_cast<std::size_t>(device)];
      slot.waiting_for_message = "a message from device " + std::to_string(previous_device(device, devices));
      slot.waiting_for_slot = "room in the slot of device " + std::to_string(device);
    }
  }
}

template <class T>
double InProcessLink<T>::reserve(int device, Channel channel) {
  Slot& slot = slot_of(next_device(device, devices_), channel);
  auto lock = monitor_.lock();
  monitor_.wait(
      lock, device, [&] { return !slot.full; }, slot.waiting_for_slot);
  return slot.empty_since;
}

template <class T>
void InProcessLink<T>::send(int device, Channel channel, const Message<T>& message) {
  const int next = next_device(device, devices_);
  Slot& slot = slot_of(next, channel);

  // Only the sender accesses an empty slot, so the copy needs no lock
  slot.message.timing = message.timing;
  if (exchange_ == Exchange::copy)
    copy_tensors(message.block, slot.message.block);
  else
    slot.message.block = message.block;
  slot.message.timing.arrives_w = std::max(message.timing.arrives_w, WallClock::now());

  // From here on only the receiver accesses it
  auto lock = monitor_.lock();
  slot.full = true;
  monitor_.wake(lock, next);
}

template <class T>
void InProcessLink<T>::receive(int device, Channel channel, Message<T>& held, double now) {
  Slot& slot = slot_of(device, channel);
  auto lock = monitor_.lock();
  monitor_.wait(
      lock, device, [&] { return slot.full; }, slot.waiting_for_message);

  // Take the message and leave the old one: the next copy overwrites its memory, a move has no use for it
  std::swap(slot.message, held);
  if (exchange_ == Exchange::move) slot.message = {};
  slot.full = false;
  slot.empty_since = std::max(now, held.timing.arrives_t);
  monitor_.wake(lock, previous_device(device, devices_));
}

template class InProcessLink<float>;
template class InProcessLink<double>;

}  // namespace ringattn
