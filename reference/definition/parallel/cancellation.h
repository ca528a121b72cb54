#pragma once

#include <atomic>
#include <stdexcept>

namespace ringattn {

// Thrown by a computation that was cancelled.
struct Cancelled : std::runtime_error {
  Cancelled() : std::runtime_error("[ringattn] the computation was cancelled") {}
};

// The request to end a computation early. It belongs to the threads of that computation, not to its arguments: a thread
// enters a Scope, and parallel_for and run_on_threads pass the cancellation on to the threads that they start.
//
//   requester   request() ------------------------.
//   thread 0    | work | work | work | throw_if_cancelled() throws Cancelled
//   thread 1    | work      | work   | throw_if_cancelled() throws Cancelled
class Cancellation {
 public:
  // Can be called from any thread
  void request() { requested_ = true; }

  // That of the calling thread; null: the thread cannot be cancelled
  static const Cancellation* current() { return current_; }

  // Sets the cancellation of the calling thread, until the end of the scope.
  class Scope {
   public:
    explicit Scope(const Cancellation* cancellation) : outer_(current_) { current_ = cancellation; }
    ~Scope() { current_ = outer_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    const Cancellation* outer_;
  };

 private:
  friend void throw_if_cancelled();

  std::atomic<bool> requested_ = false;
  inline static thread_local const Cancellation* current_ = nullptr;
};

// Throws Cancelled if the end of this thread's computation was requested. Loops over long pieces of work call it before
// each piece
inline void throw_if_cancelled() {
  if (Cancellation::current_ && Cancellation::current_->requested_) throw Cancelled();
}

}  // namespace ringattn
