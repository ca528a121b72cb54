#pragma once

#include <mpi.h>

#include <atomic>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <thread>

#include "reference/transport/mpi/post.h"

namespace ringattn {

inline std::int64_t nanoseconds(WallClock::duration duration) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
}

// The thread behind the post of one process. All calls of MPI are made here.
class Post::Office {
 public:
  explicit Office(std::chrono::milliseconds patience);
  ~Office();

  void send(int to, Topic topic, Letter letter);
  void expect(int from, Topic topic, Mailbox& mailbox);
  void forget(const Mailbox& mailbox);
  void fail(const std::string& sentence);

  // Asks the thread to end the run: with all others, when they have come so far; or all others with it
  void finish();
  void abandon(int status);
  bool finished() const { return state_ == State::finished; }

  int rank = 0, ranks = 1;
  int rank_on_machine = 0, ranks_on_machine = 1;
  std::int64_t clock_offset = 0;  // nanoseconds that the clock of process 0 is ahead of this one's
  WallClock::time_point began;    // of process 0, on the clock of this process
  std::unique_ptr<WaitingRoom> room;

 private:
  enum class State { beginning, working, finishing, finished };
  struct Sending {
    int to;
    Topic topic;
    Letter letter;
    std::vector<MPI_Request> requests;
  };
  struct Receiving {
    int from;
    Topic topic;
    Mailbox* mailbox;  // null: forgotten
    Mailbox::Room room;
    std::vector<MPI_Request> requests;
  };

  // The thread
  void work();
  void begin();
  void count_those_on_machine();
  void agree_on_the_time();
  void turn();
  bool send_queued();
  bool drop_sent();
  bool look_for_letters();
  void receive(Receiving& letter, const MPI_Status& status);
  bool deliver_received();
  void watch_neighbours();
  void hear_of_failures();
  void tell_all(const std::string& sentence, int but);
  void end_with_all_others();

  std::chrono::milliseconds patience_;
  std::atomic<State> state_ = State::beginning;
  std::atomic<bool> failed_ = false;
  std::atomic<int> abandoned_ = -1;  // with this status
  WallClock::time_point end_at_;     // once it is abandoned

  std::mutex mutex_;  // of what follows
  std::deque<Sending> queued_;
  std::deque<std::string> to_be_told_;
  std::list<Receiving> expected_, receiving_;

  // Of the thread alone
  std::list<Sending> sending_;
  std::list<std::string> told_;  // kept until they are sent, which nobody waits for
  std::optional<MPI_Request> barrier_;
  WallClock::time_point heard_, said_, listened_;
  std::thread thread_;
};

}  // namespace ringattn
