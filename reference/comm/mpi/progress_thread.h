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

// The thread behind the post of one process. All calls of MPI are made here.
class MpiCommunicator::ProgressThread {
 public:
  explicit ProgressThread(std::chrono::milliseconds timeout);
  ~ProgressThread();

  void send(int to, MessageTag tag, Packet packet);
  void post_receive(int from, MessageTag tag, ReceiveHandler& handler);
  void cancel(const ReceiveHandler& handler);
  void fail(const std::string& sentence);

  // Asks the thread to end the run: with all others, when they have come so far; or all others with it
  void finish();
  void abort(int status);
  bool finished() const { return state_ == State::finished; }

  int rank = 0, ranks = 1;
  int local_rank = 0, local_ranks = 1;
  std::int64_t clock_offset = 0;  // nanoseconds that the clock of process 0 is ahead of this one's
  WallClock::time_point run_start;    // of process 0, on the clock of this process
  std::unique_ptr<RunMonitor> monitor;

 private:
  enum class State { starting, running, finishing, finished };
  struct PendingSend {
    int to;
    MessageTag tag;
    Packet packet;
    std::vector<MPI_Request> requests;
  };
  struct PendingReceive {
    int from;
    MessageTag tag;
    ReceiveHandler* handler;  // null: forgotten
    ReceiveHandler::Buffers target;
    std::vector<MPI_Request> requests;
  };

  // The thread
  void run();
  void initialize();
  void find_local_rank();
  void synchronize_clocks();
  void poll();
  bool start_sends();
  bool complete_sends();
  bool start_receives();
  void start_receive(PendingReceive& pending, const MPI_Status& status);
  bool complete_receives();
  void exchange_heartbeats();
  void poll_failures();
  void broadcast_failure(const std::string& sentence, int except);
  void enter_final_barrier();

  std::chrono::milliseconds timeout_;
  std::atomic<State> state_ = State::starting;
  std::atomic<bool> failed_ = false;
  std::atomic<int> abort_status_ = -1;  // with this status
  WallClock::time_point abort_at_;     // once it is abandoned

  std::mutex mutex_;  // of what follows
  std::deque<PendingSend> queued_sends_;
  std::deque<std::string> queued_failures_;
  std::list<PendingReceive> posted_receives_, active_receives_;

  // Of the thread alone
  std::list<PendingSend> active_sends_;
  std::list<std::string> sent_failures_;  // kept until they are sent, which nobody waits for
  std::optional<MPI_Request> barrier_;
  WallClock::time_point heartbeat_received_, heartbeat_sent_, last_poll_;
  std::thread thread_;
};

}  // namespace ringattn
