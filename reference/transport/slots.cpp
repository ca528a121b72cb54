#include "reference/transport/slots.h"

#include <algorithm>

#include "reference/ring/schedule.h"

namespace ringattn {

template <class T>
Slots<T>::Slots(int devices, Exchange exchange, WaitingRoom& room)
    : devices_(devices), exchange_(exchange), room_(room) {
  for (auto& lane : slots_) {
    lane.resize(static_cast<std::size_t>(devices));
    for (int device = 0; device < devices; ++device) {
      Slot& slot = lane[static_cast<std::size_t>(device)];
      slot.waits_for_message = "a message from device " + std::to_string(previous_device(device, devices));
      slot.waits_for_room = "room in the slot of device " + std::to_string(device);
    }
  }
}

template <class T>
double Slots<T>::reserve(int device, Lane lane) {
  Slot& slot = slot_of(next_device(device, devices_), lane);
  auto lock = room_.lock();
  room_.wait(
      lock, device, [&] { return !slot.full; }, slot.waits_for_room);
  return slot.empty_since;
}

template <class T>
void Slots<T>::send(int device, Lane lane, const Message<T>& message) {
  const int next = next_device(device, devices_);
  Slot& slot = slot_of(next, lane);

  // An empty slot belongs to its sender, so the copy needs no lock
  slot.message.stamp = message.stamp;
  if (exchange_ == Exchange::copied)
    copy_tensors(message.block, slot.message.block);
  else
    slot.message.block = message.block;
  slot.message.stamp.arrives_w = std::max(message.stamp.arrives_w, WallClock::now());

  auto lock = room_.lock();
  slot.full = true;
  room_.wake(lock, next);
}

template <class T>
void Slots<T>::receive(int device, Lane lane, Message<T>& held, double now) {
  Slot& slot = slot_of(device, lane);
  auto lock = room_.lock();
  room_.wait(
      lock, device, [&] { return slot.full; }, slot.waits_for_message);
  std::swap(slot.message, held);
  if (exchange_ == Exchange::handed_over) slot.message = {};  // a copy would use the memory again
  slot.full = false;
  slot.empty_since = std::max(now, held.stamp.arrives_t);
  room_.wake(lock, previous_device(device, devices_));
}

template class Slots<float>;
template class Slots<double>;

}  // namespace ringattn
