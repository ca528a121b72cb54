#include "reference/transport/throttled.h"

#include <algorithm>

#include "reference/ring/schedule.h"

namespace ringattn {

namespace {

std::chrono::nanoseconds nanoseconds(double ns) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
}

}  // namespace

template <class T>
Throttled<T>::Throttled(Link<T>& inner, WaitingRoom& room, int devices, const CostModel& speed)
    : inner_(inner), room_(room), wires_(static_cast<std::size_t>(devices), Wire{speed, {}, {}}) {}

template <class T>
void Throttled<T>::set_speed(int device, const CostModel& speed) {
  const auto lock = room_.lock();
  wires_[static_cast<std::size_t>(device)].speed = speed;
}

template <class T>
void Throttled<T>::send(int device, Lane lane, const Message<T>& message) {
  {
    const auto lock = room_.lock();
    Wire& wire = wires_[static_cast<std::size_t>(device)];
    wire.free = std::max(wire.free, std::chrono::steady_clock::now()) +
                nanoseconds(wire.speed.transfer_ns(message.block.bytes()));
    wire.arrival[lane == Lane::ahead ? 0 : 1] = wire.free + nanoseconds(wire.speed.latency_ns());
  }
  inner_.send(device, lane, message);
}

template <class T>
void Throttled<T>::receive(int device, Lane lane, Message<T>& held, double now) {
  const auto previous = static_cast<std::size_t>(previous_device(device, static_cast<int>(wires_.size())));
  inner_.receive(device, lane, held, now);
  auto lock = room_.lock();
  room_.wait_until(lock, device, wires_[previous].arrival[lane == Lane::ahead ? 0 : 1]);
}

template class Throttled<float>;
template class Throttled<double>;

}  // namespace ringattn
