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

// Thrown out of a wait because the run is over: another device failed first, and its error is the one to
// report.
struct RunStopped : std::runtime_error {
  RunStopped() : std::runtime_error("[ring] the run was stopped") {}
};

// Where devices wait for one another: one lock, a place to sleep for each device, one flag that ends every
// wait. When every thread sleeps and none can go on, that is a deadlock: the run fails with a sentence
// instead of hanging.
class RunMonitor {
 public:
  using Lock = std::unique_lock<std::mutex>;
  using Condition = std::function<bool()>;

  RunMonitor(int devices, int threads);

  Lock lock() { return Lock(mutex_); }

  // Sleeps on behalf of _device_ until the condition holds; _reason_ completes "device 3 waits for ..."
  void wait(Lock& lock, int device, const Condition& condition, const std::string& reason);

  // The same for something that happens outside of the run: somebody's key press, say
  void wait_external(Lock& lock, int device, const Condition& condition);

  // Sleeps until a moment has come
  void wait_until(Lock& lock, int device, std::chrono::steady_clock::time_point moment);

  // A device has changed something for which _device_ may wait; who changes something must say so here. Gives
  // up the lock, for which the woken thread would otherwise wait again
  void wake(Lock& lock, int device);

  // The same for something outside of the run. Keeps the lock: without it the run may end at any moment, and
  // the room with it
  void wake_external(const Lock& lock, int device);

  // Ends every wait; the first error is kept
  void fail(std::exception_ptr error);

  // A thread has nothing more to do
  void thread_done();

  void rethrow_first_error();

 private:
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
  std::vector<Waiter> waiters_;                // by device
  int blocked_ = 0, threads_;
  std::exception_ptr first_error_;
};

}  // namespace ringattn
