#include "reference/transport/waiting_room.h"

#include <sstream>

namespace ringattn {

WaitingRoom::WaitingRoom(int devices, int threads)
    : places_(static_cast<std::size_t>(devices)),
      sleepers_(static_cast<std::size_t>(devices)),
      threads_(threads) {}

void WaitingRoom::wait(Lock& lock, int device, const Condition& condition, const std::string& why) {
  throw_if_stopped();
  if (condition()) return;
  Sleeper& sleeper = sleepers_[static_cast<std::size_t>(device)];
  sleeper = {&condition, &why};
  ++asleep_;
  fail_if_deadlocked();
  places_[static_cast<std::size_t>(device)].wait(lock, [&] { return first_error_ || !sleeper.condition; });
  if (sleeper.condition) get_up(sleeper);
  throw_if_stopped();
}

void WaitingRoom::wait_for_outside(Lock& lock, int device, const Condition& condition) {
  places_[static_cast<std::size_t>(device)].wait(lock, [&] { return first_error_ || condition(); });
  throw_if_stopped();
}

void WaitingRoom::wait_until(Lock& lock, int device, std::chrono::steady_clock::time_point moment) {
  places_[static_cast<std::size_t>(device)].wait_until(lock, moment,
                                                       [&] { return static_cast<bool>(first_error_); });
  throw_if_stopped();
}

void WaitingRoom::wake(Lock& lock, int device) {
  // Who can go on counts as awake from now on, though it may take its time to get the lock
  Sleeper& sleeper = sleepers_[static_cast<std::size_t>(device)];
  if (sleeper.condition && (*sleeper.condition)()) get_up(sleeper);
  lock.unlock();
  places_[static_cast<std::size_t>(device)].notify_all();
}

void WaitingRoom::wake_from_outside(const Lock&, int device) {
  places_[static_cast<std::size_t>(device)].notify_all();
}

void WaitingRoom::get_up(Sleeper& sleeper) {
  sleeper = {};
  --asleep_;
}

void WaitingRoom::fail(std::exception_ptr error) {
  const Lock held = lock();
  fail_locked(error);
}

void WaitingRoom::leave() {
  const Lock held = lock();
  --threads_;
  fail_if_deadlocked();
}

void WaitingRoom::rethrow_first_error() {
  const Lock held = lock();
  if (first_error_) std::rethrow_exception(first_error_);
}

void WaitingRoom::throw_if_stopped() const {
  if (first_error_) throw RunStopped();
}

void WaitingRoom::fail_locked(std::exception_ptr error) {
  if (!first_error_) first_error_ = error;
  for (std::condition_variable& place : places_) place.notify_all();
}

void WaitingRoom::fail_if_deadlocked() {
  if (asleep_ == 0 || asleep_ < threads_ || first_error_) return;
  std::ostringstream sentence;
  sentence << "[ring] deadlock: every device waits for another one, and none can go on;";
  int named = 0;
  for (std::size_t device = 0; device < sleepers_.size() && named < 4; ++device)
    if (sleepers_[device].condition)
      sentence << (named++ ? ", device " : " device ") << device << " waits for " << *sleepers_[device].why;
  sentence << (asleep_ > named ? ", ..." : "")
           << "; look for a message that was never sent or a send that waits to be received";
  fail_locked(std::make_exception_ptr(std::runtime_error(sentence.str())));
}

}  // namespace ringattn
