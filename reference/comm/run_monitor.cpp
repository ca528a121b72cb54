#include "reference/comm/run_monitor.h"

#include <sstream>

namespace ringattn {

RunMonitor::RunMonitor(int devices, int threads)
    : condition_variables_(static_cast<std::size_t>(devices)),
      waiters_(static_cast<std::size_t>(devices)),
      threads_(threads) {}

void RunMonitor::wait(Lock& lock, int device, const Condition& condition, const std::string& reason) {
  throw_if_stopped();
  if (condition()) return;
  Waiter& waiter = waiters_[static_cast<std::size_t>(device)];
  waiter = {&condition, &reason};
  ++blocked_;
  fail_if_deadlocked();
  condition_variables_[static_cast<std::size_t>(device)].wait(lock, [&] { return first_error_ || !waiter.condition; });
  if (waiter.condition) mark_awake(waiter);
  throw_if_stopped();
}

void RunMonitor::wait_external(Lock& lock, int device, const Condition& condition) {
  condition_variables_[static_cast<std::size_t>(device)].wait(lock, [&] { return first_error_ || condition(); });
  throw_if_stopped();
}

void RunMonitor::wait_until(Lock& lock, int device, std::chrono::steady_clock::time_point moment) {
  condition_variables_[static_cast<std::size_t>(device)].wait_until(lock, moment,
                                                       [&] { return static_cast<bool>(first_error_); });
  throw_if_stopped();
}

void RunMonitor::wake(Lock& lock, int device) {
  // Who can go on counts as awake from now on, though it may take its time to get the lock
  Waiter& waiter = waiters_[static_cast<std::size_t>(device)];
  if (waiter.condition && (*waiter.condition)()) mark_awake(waiter);
  lock.unlock();
  condition_variables_[static_cast<std::size_t>(device)].notify_all();
}

void RunMonitor::wake_external(const Lock&, int device) {
  condition_variables_[static_cast<std::size_t>(device)].notify_all();
}

void RunMonitor::mark_awake(Waiter& waiter) {
  waiter = {};
  --blocked_;
}

void RunMonitor::fail(std::exception_ptr error) {
  const Lock held = lock();
  fail_locked(error);
}

void RunMonitor::thread_done() {
  const Lock held = lock();
  --threads_;
  fail_if_deadlocked();
}

void RunMonitor::rethrow_first_error() {
  const Lock held = lock();
  if (first_error_) std::rethrow_exception(first_error_);
}

void RunMonitor::throw_if_stopped() const {
  if (first_error_) throw RunStopped();
}

void RunMonitor::fail_locked(std::exception_ptr error) {
  if (!first_error_) first_error_ = error;
  for (std::condition_variable& variable : condition_variables_) variable.notify_all();
}

void RunMonitor::fail_if_deadlocked() {
  if (blocked_ == 0 || blocked_ < threads_ || first_error_) return;
  std::ostringstream sentence;
  sentence << "[ring] deadlock: every device waits for another one, and none can go on;";
  int named = 0;
  for (std::size_t device = 0; device < waiters_.size() && named < 4; ++device)
    if (waiters_[device].condition)
      sentence << (named++ ? ", device " : " device ") << device << " waits for " << *waiters_[device].reason;
  sentence << (blocked_ > named ? ", ..." : "")
           << "; look for a message that was never sent or a send that waits to be received";
  fail_locked(std::make_exception_ptr(std::runtime_error(sentence.str())));
}

}  // namespace ringattn
