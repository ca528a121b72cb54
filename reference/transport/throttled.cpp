#include "reference/transport/throttled.h"

#include <algorithm>

namespace ringattn {

namespace {

std::chrono::nanoseconds nanoseconds(double ns) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
}

}  // namespace

template <class T>
Throttled<T>::Throttled(Link<T>& inner, WaitingRoom& room, int devices, const CostModel& speed)
    : inner_(inner), room_(room), wires_(static_cast<std::size_t>(devices), Wire{speed, {}}) {}

template <class T>
void Throttled<T>::set_speed(int device, const CostModel& speed) {
  const auto lock = room_.lock();
  wires_[static_cast<std::size_t>(device)].speed = speed;
}

template <class T>
void Throttled<T>::send(int device, Lane lane, const Message<T>& message) {
  Message<T> delayed = message;
  {
    const auto lock = room_.lock();
    Wire& wire = wires_[static_cast<std::size_t>(device)];
    wire.free =
        std::max(wire.free, WallClock::now()) + nanoseconds(wire.speed.transfer_ns(message.block.bytes()));
    delayed.stamp.arrives_w = wire.free + nanoseconds(wire.speed.latency_ns());
  }
  inner_.send(device, lane, delayed);
}

template <class T>
void Throttled<T>::receive(int device, Lane lane, Message<T>& held, double now) {
  inner_.receive(device, lane, held, now);
  auto lock = room_.lock();
  room_.wait_until(lock, device, held.stamp.arrives_w);
}

template class Throttled<float>;
template class Throttled<double>;

}  // namespace ringattn
