#include "reference/comm/decorators/throttled_link.h"

#include <algorithm>

namespace ringattn {

namespace {

std::chrono::nanoseconds nanoseconds(double ns) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ns));
}

}  // namespace

template <class T>
ThrottledLink<T>::ThrottledLink(Link<T>& inner, RunMonitor& monitor, int devices, const CostModel& speed)
    : ForwardingLink<T>(inner),
      monitor_(monitor),
      wires_(static_cast<std::size_t>(devices), Wire{speed, {}}) {}

template <class T>
void ThrottledLink<T>::set_speed(int device, const CostModel& speed) {
  const auto lock = monitor_.lock();
  wires_[static_cast<std::size_t>(device)].speed = speed;
}

template <class T>
void ThrottledLink<T>::send(int device, int to, Channel channel, const Message<T>& message) {
  // The message starts when the wire is free, and arrives one latency after its last byte has left
  Message<T> delayed = message;
  {
    const auto lock = monitor_.lock();
    Wire& wire = wires_[static_cast<std::size_t>(device)];
    const OutgoingLink link = wire.speed.link_between(device, to);
    WallClock::time_point& free = wire.free[static_cast<std::size_t>(link.number)];
    free = std::max(free, WallClock::now()) + nanoseconds(link.transfer_ns(message.block.bytes()));
    delayed.timing.arrives_w = free + nanoseconds(link.latency_ns());
  }
  ForwardingLink<T>::send(device, to, channel, delayed);
}

template <class T>
void ThrottledLink<T>::receive(int device, int from, Channel channel, Message<T>& held, double now) {
  ForwardingLink<T>::receive(device, from, channel, held, now);
  auto lock = monitor_.lock();
  monitor_.wait_until(lock, device, held.timing.arrives_w);
}

template class ThrottledLink<float>;
template class ThrottledLink<double>;

}  // namespace ringattn
