#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace ringattn {

// Thrown out of a wait because the run has failed elsewhere. The error to report is that of the device that failed
// first.
struct RunStopped : std::runtime_error {
  RunStopped() : std::runtime_error("[ring] the run was stopped") {}
};

// Synchronizes the threads of one run. It owns the lock that protects the slots of the link, a condition variable for
// each device, and the first error of the run. All waits of the run happen here, which gives two guarantees:
//
//   an error anywhere ends every wait     fail() wakes all waiters, and their waits throw RunStopped
//   a deadlock is reported, not a hang    the run fails when all of its threads are blocked (see run_monitor.cpp)
//
// A thread that runs several devices waits for one of them at a time.
class RunMonitor {
 public:
  using Lock = std::unique_lock<std::mutex>;
  using Condition = std::function<bool()>;

  // A run of _devices_ devices on _threads_ threads
  RunMonitor(int devices, int threads);

  Lock lock() { return Lock(mutex_); }

  // Waits on behalf of _device_ until the condition holds. The condition may only depend on what other devices of the
  // run do. _reason_ completes the sentence "device 3 waits for ..." and must outlive the wait
  void wait(Lock& lock, int device, const Condition& condition, const std::string& reason);

  // Waits for an event from outside the run, for example a key press or a message of another process. Such a wait is
  // never part of a deadlock
  void wait_external(Lock& lock, int device, const Condition& condition);

  // Waits until a point in time
  void wait_until(Lock& lock, int device, std::chrono::steady_clock::time_point moment);

  // Wakes _device_ if its condition now holds. Must be called after every change that a device may wait for. Releases
  // the lock before it notifies, so that the woken thread need not wait for it
  void wake(Lock& lock, int device);

  // Wakes a device from wait_external. Keeps the lock: without it the run could end, and the monitor be destroyed,
  // before the notification
  void wake_external(const Lock& lock, int device);

  // Ends every wait. The first error is kept, later ones are ignored
  void fail(std::exception_ptr error);

  // Must be called by each thread when it leaves the run: a thread that has left wakes no device any more
  void thread_done();

  void rethrow_first_error();

 private:
  // A blocked device; without a condition if the device is not blocked, or may continue.
  struct Waiter {
    const Condition* condition = nullptr;
    const std::string* reason = nullptr;
  };
  void mark_awake(Waiter& waiter);
  void throw_if_stopped() const;
  void fail_locked(std::exception_ptr error);
  void fail_if_deadlocked();

  std::mutex mutex_;
  std::vector<std::condition_variable> condition_variables_;  // by device
  std::vector<Waiter> waiters_;                               // by device
  int blocked_ = 0;                                           // waiters with a condition
  int threads_;                                               // threads that have not left the run
  std::exception_ptr first_error_;
};

}  // namespace ringattn
