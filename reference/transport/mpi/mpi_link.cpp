#include "reference/transport/mpi/mpi_link.h"

#include <algorithm>
#include <bit>

#include "reference/ring/schedule.h"
#include "reference/transport/mpi/block_letter.h"

namespace ringattn {

namespace {

constexpr Lane lanes[] = {Lane::ahead, Lane::behind};

std::size_t index(Lane lane) { return lane == Lane::ahead ? 0 : 1; }
Topic message_of(Lane lane) { return lane == Lane::ahead ? Topic::ahead : Topic::behind; }
Topic room_of(Lane lane) { return lane == Lane::ahead ? Topic::room_ahead : Topic::room_behind; }

}  // namespace

template <class T>
MpiLink<T>::MpiLink(Post& post)
    : post_(post), slots_{Slot(post), Slot(post)}, next_slots_{NextSlot(post), NextSlot(post)} {
  for (const Lane lane : lanes) expect_message(lane);
}

template <class T>
MpiLink<T>::~MpiLink() {
  for (const Slot& slot : slots_) post_.forget(slot);
  for (const NextSlot& slot : next_slots_) post_.forget(slot);
}

template <class T>
void MpiLink<T>::expect_message(Lane lane) {
  post_.expect(previous_device(post_.rank(), post_.ranks()), message_of(lane), slots_[index(lane)]);
}

// ---- Verbs -------------------------------------------------------------------

template <class T>
double MpiLink<T>::reserve(int device, Lane lane) {
  NextSlot& slot = next_slots_[index(lane)];
  double empty_since = 0;
  {
    auto lock = post_.room().lock();
    post_.room().wait_for_outside(lock, device, [&] { return slot.empty; });
    slot.empty = false;
    if (slot.pass == pass_) empty_since = slot.empty_since;
  }
  post_.expect(next_device(device, post_.ranks()), room_of(lane), slot);
  return empty_since;
}

template <class T>
void MpiLink<T>::send(int device, Lane lane, const Message<T>& message) {
  post_.send(next_device(device, post_.ranks()), message_of(lane), to_letter(message, post_));
}

template <class T>
void MpiLink<T>::receive(int device, Lane lane, Message<T>& held, double now) {
  Slot& slot = slots_[index(lane)];
  {
    auto lock = post_.room().lock();
    post_.room().wait_for_outside(lock, device, [&] { return slot.full; });
    std::swap(slot.message, held);
    slot.full = false;
  }
  expect_message(lane);
  const double empty_since = std::max(now, held.stamp.arrives_t);
  post_.send(previous_device(device, post_.ranks()), room_of(lane),
             {{pass_, std::bit_cast<std::int64_t>(empty_since)}, {}, nullptr});
}

// ---- What the post brings ------------------------------------------------------

template <class T>
Mailbox::Room MpiLink<T>::Slot::room_for(std::span<const std::int64_t> head) {
  const auto lock = post_.room().lock();
  return ringattn::room_for(head, post_, message);
}

template <class T>
void MpiLink<T>::Slot::arrived() {
  const auto lock = post_.room().lock();
  message.stamp.arrives_w = std::max(message.stamp.arrives_w, WallClock::now());
  full = true;
  post_.room().wake_from_outside(lock, post_.rank());
}

template <class T>
Mailbox::Room MpiLink<T>::NextSlot::room_for(std::span<const std::int64_t> head) {
  const auto lock = post_.room().lock();
  pass = head[0];
  empty_since = std::bit_cast<double>(head[1]);
  return {};
}

template <class T>
void MpiLink<T>::NextSlot::arrived() {
  const auto lock = post_.room().lock();
  empty = true;
  post_.room().wake_from_outside(lock, post_.rank());
}

template class MpiLink<float>;
template class MpiLink<double>;

}  // namespace ringattn
