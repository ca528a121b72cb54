#pragma once

#include <mpi.h>

#include <atomic>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

#include "reference/comm/mpi/mpi_communicator.h"

namespace ringattn {

inline std::int64_t nanoseconds(WallClock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

// The thread that makes all MPI calls of a process (essay in the .cpp).
class MpiCommunicator::ProgressThread {
 public:
  explicit ProgressThread(std::chrono::milliseconds timeout);
  ~ProgressThread();

  // Requests to the thread, from any other thread; all return at once
  void send(int to, MessageTag tag, Packet packet);
  void post_receive(int from, MessageTag tag, ReceiveHandler& handler);
  void cancel(const ReceiveHandler& handler);
  void fail(const std::string& sentence);
  void finish();           // finalizes MPI when all processes have called finish
  void abort(int status);  // aborts all processes after 1 s
  bool finished() const { return state_ >= State::finished; }

  int rank = 0, ranks = 1;
  int local_rank = 0, local_ranks = 1;
  std::int64_t clock_offset = 0;    // nanoseconds: clock of process 0 - clock of this process
  WallClock::time_point run_start;  // when process 0 started, on the clock of this process
  std::unique_ptr<RunMonitor> monitor;

 private:
  enum class State { starting, running, finishing, finished, finalized };
  struct PendingSend {
    int to;
    MessageTag tag;
    Packet packet;
    std::vector<MPI_Request> requests;
  };
  struct PendingReceive {
    int from;
    MessageTag tag;
    ReceiveHandler* handler;  // null: cancelled after the payload had started to arrive
    ReceiveHandler::Buffers target;
    std::vector<MPI_Request> requests;
  };

  // Ends this process with a sentence if it takes too long: all processes must _what_
  void wait_until_past(State state, const char* what);

  // Everything below runs on the thread
  void run();
  void initialize();
  void find_local_rank();
  void synchronize_clocks();
  void poll();

  // Each returns whether it made progress
  bool start_sends();
  bool complete_sends();
  bool start_receives();
  bool complete_receives();
  void start_receive(PendingReceive& pending, const MPI_Status& status);

  void exchange_heartbeats();
  void poll_failures();
  void broadcast_failure(const std::string& sentence, int except);
  void enter_final_barrier();

  std::chrono::milliseconds timeout_;
  std::atomic<State> state_ = State::starting;
  std::atomic<bool> failed_ = false;    // any process has failed; no more messages
  std::atomic<int> abort_status_ = -1;  // -1: abort was not called
  WallClock::time_point abort_at_;      // set before abort_status_

  // Shared with the requests
  std::mutex mutex_;
  std::deque<PendingSend> queued_sends_;
  std::deque<std::string> queued_failures_;
  std::list<PendingReceive> posted_receives_, active_receives_;

  // Used by the thread only
  std::list<PendingSend> active_sends_;
  std::list<std::string> sent_failures_;  // buffers of sends whose completion is never tested
  std::optional<MPI_Request> barrier_;
  WallClock::time_point heartbeat_received_, heartbeat_sent_, last_poll_;
  std::thread thread_;
};

}  // namespace ringattn
