#pragma once

#include <algorithm>

#include "reference/ring/link.h"
#include "reference/transport/waiting_room.h"

namespace ringattn {

// Holds each verb of each device until somebody outside lets it pass: so that a run can be watched step by
// step. It lives as long as the run and no longer: release it only while the run must still need that.
template <class T>
class Gated : public Link<T> {
 public:
  Gated(Link<T>& inner, WaitingRoom& room, int devices)
      : inner_(inner), room_(room), doors_(static_cast<std::size_t>(devices)) {}

  // Lets the next _verbs_ verbs of a device pass
  void release(int device, std::int64_t verbs = 1) {
    const auto lock = room_.lock();
    door(device).permits += verbs;
    room_.wake_from_outside(lock, device);
  }

  // Lets the next verb of a device pass, and no more, however often it is said before the verb has come
  void release_next(int device) {
    const auto lock = room_.lock();
    door(device).permits = std::max<std::int64_t>(door(device).permits, 1);
    room_.wake_from_outside(lock, device);
  }

  // Lets everything pass from now on
  void open() {
    const auto lock = room_.lock();
    open_ = true;
    for (std::size_t device = 0; device < doors_.size(); ++device)
      room_.wake_from_outside(lock, static_cast<int>(device));
  }

  // Lets nothing of a device pass, whatever else is said, until it is no longer stalled
  void stall(int device, bool stalled) {
    const auto lock = room_.lock();
    door(device).stalled = stalled;
    room_.wake_from_outside(lock, device);
  }

  double reserve(int device, Lane lane) override {
    pass(device);
    return inner_.reserve(device, lane);
  }
  void send(int device, Lane lane, const Message<T>& message) override {
    pass(device);
    inner_.send(device, lane, message);
  }
  void receive(int device, Lane lane, Message<T>& held, double now) override {
    pass(device);
    inner_.receive(device, lane, held, now);
  }

 private:
  struct Door {
    std::int64_t permits = 0;
    bool stalled = false;
  };
  Door& door(int device) { return doors_[static_cast<std::size_t>(device)]; }

  void pass(int device) {
    auto lock = room_.lock();
    Door& d = door(device);
    room_.wait_for_outside(lock, device, [&] { return !d.stalled && (open_ || d.permits > 0); });
    if (!open_) --d.permits;
  }

  Link<T>& inner_;
  WaitingRoom& room_;
  std::vector<Door> doors_;  // by device
  bool open_ = false;
};

}  // namespace ringattn
