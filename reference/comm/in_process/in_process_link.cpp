#include "reference/comm/in_process/in_process_link.h"

#include <algorithm>

namespace ringattn {

template <class T>
InProcessLink<T>::InProcessLink(const std::vector<Route>& routes, Exchange exchange, RunMonitor& monitor)
    : exchange_(exchange), monitor_(monitor) {
  for (const Route& route : routes) slots_[route];
}

template <class T>
double InProcessLink<T>::reserve(int device, int to, Channel channel) {
  Slot& slot = slot_of({device, to, channel});
  auto lock = monitor_.lock();
  monitor_.wait(
      lock, device, [&] { return !slot.full; }, "room in the slot of device " + std::to_string(to));
  return slot.empty_since;
}

template <class T>
void InProcessLink<T>::send(int device, int to, Channel channel, const Message<T>& message) {
  Slot& slot = slot_of({device, to, channel});

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
  monitor_.wake(lock, to);
}

template <class T>
void InProcessLink<T>::receive(int device, int from, Channel channel, Message<T>& held, double now) {
  Slot& slot = slot_of({from, device, channel});
  auto lock = monitor_.lock();
  monitor_.wait(
      lock, device, [&] { return slot.full; }, "a message from device " + std::to_string(from));

  // Take the message and leave the old one: the next copy overwrites its memory, a move has no use for it
  std::swap(slot.message, held);
  if (exchange_ == Exchange::move) slot.message = {};
  slot.full = false;
  slot.empty_since = std::max(now, held.timing.arrives_t);
  monitor_.wake(lock, from);
}

template class InProcessLink<float>;
template class InProcessLink<double>;

}  // namespace ringattn
