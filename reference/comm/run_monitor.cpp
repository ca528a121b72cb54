// How a deadlock is found
//
// A device that waits registers its condition. The waiters and the threads of the run are counted:
//
//   thread 0   computes      |          waiters_   device 1: "slot of device 2 is empty"
//   thread 1   waits --------+-->                  device 2: "a message from device 1"
//   thread 2   waits --------+-->       blocked_ = 2 < threads_ = 3: thread 0 can still wake another
//
// Only a thread of the run can make the condition of a waiter true. So if blocked_ == threads_, no condition can change
// any more: the run is deadlocked, and it fails with a sentence that names the waits. The rule is checked whenever
// blocked_ grows (a wait begins) or threads_ falls (a thread leaves the run). With one thread, in lockstep, the first
// wait whose condition does not hold is a deadlock.
//
// A runnable waiter counts as awake before it reacquires the lock. wake() tests the condition of the waiter itself and,
// if it holds, removes the waiter from the count while it still holds the lock. Otherwise the following sequence would
// report a deadlock that does not exist:
//
//   thread 0   fills the slot, wakes device 1, then waits: blocked_ == threads_
//   thread 1   is runnable, but not yet scheduled
//
// Waits for events from outside (wait_external) and for a point in time (wait_until) are not counted: they can end
// although all threads are blocked.

#include "reference/comm/run_monitor.h"

#include <sstream>

#include "reference/definition/parallel/cancellation.h"

namespace ringattn {

RunMonitor::RunMonitor(int devices, int threads)
    : condition_variables_(static_cast<std::size_t>(devices)),
      waiters_(static_cast<std::size_t>(devices)),
      threads_(threads) {}

// ---- Waits --------------------------------------------------------------------------

void RunMonitor::wait(Lock& lock, int device, const Condition& condition, const std::string& reason) {
  throw_if_stopped();
  if (condition()) return;

  // Register, and fail if this was the last thread that was not blocked
  Waiter& waiter = waiters_[static_cast<std::size_t>(device)];
  waiter = {&condition, &reason};
  ++blocked_;
  fail_if_deadlocked();

  // wake() removes the condition when it holds; after an error it is still there
  std::condition_variable& variable = condition_variables_[static_cast<std::size_t>(device)];
  variable.wait(lock, [&] { return first_error_ || !waiter.condition; });
  if (waiter.condition) mark_awake(waiter);
  throw_if_stopped();
}

void RunMonitor::wait_external(Lock& lock, int device, const Condition& condition) {
  std::condition_variable& variable = condition_variables_[static_cast<std::size_t>(device)];
  variable.wait(lock, [&] { return first_error_ || condition(); });
  throw_if_stopped();
}

void RunMonitor::wait_until(Lock& lock, int device, std::chrono::steady_clock::time_point moment) {
  std::condition_variable& variable = condition_variables_[static_cast<std::size_t>(device)];
  variable.wait_until(lock, moment, [&] { return static_cast<bool>(first_error_); });
  throw_if_stopped();
}

// ---- Wakes --------------------------------------------------------------------------

void RunMonitor::wake(Lock& lock, int device) {
  // Count the waiter as awake now, not when its thread runs
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

// ---- Errors -------------------------------------------------------------------------

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
  throw_if_cancelled();
}

void RunMonitor::fail_locked(std::exception_ptr error) {
  if (!first_error_) first_error_ = error;
  for (std::condition_variable& variable : condition_variables_) variable.notify_all();
}

void RunMonitor::fail_if_deadlocked() {
  if (blocked_ == 0 || blocked_ < threads_ || first_error_) return;

  // Name at most four of the waits
  constexpr int most_named = 4;
  std::ostringstream sentence;
  sentence << "[ring] deadlock: all devices that have not finished wait for one another;";
  int named = 0;
  for (std::size_t device = 0; device < waiters_.size() && named < most_named; ++device)
    if (waiters_[device].condition)
      sentence << (named++ ? ", device " : " device ") << device << " waits for " << *waiters_[device].reason;
  sentence << (blocked_ > named ? ", ..." : "")
           << "; look for a message that was never sent, or a send that waits until it is received";
  fail_locked(std::make_exception_ptr(std::runtime_error(sentence.str())));
}

}  // namespace ringattn
