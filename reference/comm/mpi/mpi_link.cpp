#include "reference/comm/mpi/mpi_link.h"

#include <algorithm>
#include <bit>

#include "reference/comm/mpi/block_packet.h"

namespace ringattn {

template <class T>
MpiLink<T>::~MpiLink() {
  for (const auto& [route, slot] : slots_) mpi_.cancel(slot);
  for (const auto& [route, slot] : remote_slots_) mpi_.cancel(slot);
}

template <class T>
void MpiLink<T>::begin_pass(const std::vector<Route>& routes) {
  ++pass_;
  for (const Route& route : routes) {
    if (route.from == mpi_.rank()) remote_slots_.try_emplace(route, mpi_);
    if (route.to == mpi_.rank() && slots_.try_emplace(route, mpi_).second) post_receive(route);
  }
}

// ---- Calls of the device ------------------------------------------------------------

template <class T>
double MpiLink<T>::reserve(int device, int to, Channel channel) {
  RemoteSlot& slot = remote_slots_.at({device, to, channel});
  double empty_since = 0;
  {
    // Consume the credit of the previous message
    auto lock = mpi_.monitor().lock();
    mpi_.monitor().wait_external(lock, device, [&] { return slot.empty; });
    slot.empty = false;
    if (slot.pass == pass_) empty_since = slot.empty_since;
  }
  // Expect the credit of the message that follows
  mpi_.post_receive(to, credit_tag(channel), slot);
  return empty_since;
}

template <class T>
void MpiLink<T>::send(int /*device*/, int to, Channel channel, const Message<T>& message) {
  mpi_.send(to, message_tag(channel), to_packet(message, mpi_));
}

template <class T>
void MpiLink<T>::receive(int device, int from, Channel channel, Message<T>& held, double now) {
  const Route route{from, device, channel};
  Slot& slot = slots_.at(route);
  {
    auto lock = mpi_.monitor().lock();
    mpi_.monitor().wait_external(lock, device, [&] { return slot.full; });
    std::swap(slot.message, held);
    slot.full = false;
  }
  // The slot is empty: receive the next message into it, and send a credit for it
  post_receive(route);
  const double empty_since = std::max(now, held.timing.arrives_t);
  mpi_.send(from, credit_tag(channel), {{pass_, std::bit_cast<std::int64_t>(empty_since)}, {}, nullptr});
}

// ---- Calls of the progress thread ---------------------------------------------------

template <class T>
ReceiveHandler::Buffers MpiLink<T>::Slot::buffers_for(std::span<const std::int64_t> header) {
  const auto lock = mpi_.monitor().lock();
  return ringattn::buffers_for(header, mpi_, message);
}

template <class T>
void MpiLink<T>::Slot::on_received() {
  const auto lock = mpi_.monitor().lock();
  message.timing.arrives_w = std::max(message.timing.arrives_w, WallClock::now());
  full = true;
  mpi_.monitor().wake_external(lock, mpi_.rank());
}

template <class T>
ReceiveHandler::Buffers MpiLink<T>::RemoteSlot::buffers_for(std::span<const std::int64_t> header) {
  const auto lock = mpi_.monitor().lock();
  pass = header[0];
  empty_since = std::bit_cast<double>(header[1]);
  return {};
}

template <class T>
void MpiLink<T>::RemoteSlot::on_received() {
  const auto lock = mpi_.monitor().lock();
  empty = true;
  mpi_.monitor().wake_external(lock, mpi_.rank());
}

template class MpiLink<float>;
template class MpiLink<double>;

}  // namespace ringattn
