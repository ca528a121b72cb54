#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "reference/comm/mpi/packet.h"
#include "reference/comm/run_monitor.h"
#include "reference/trace/recorder.h"

namespace ringattn {

// Communication between the processes of a run, over MPI. A progress thread in each process makes all MPI calls, so
// that messages travel during the arithmetic and a dead process is noticed (essay in progress_thread.cpp). If any
// process fails or dies, all others learn of it, and their waits in monitor() throw an error that names that process.
class MpiCommunicator {
 public:
  // Initializes MPI. A peer that sends no heartbeat for longer than _timeout_ is considered dead. If the processes do
  // not all start within three timeouts, ends this one with one sentence. Throws BadInput if the program was built
  // without MPI
  explicit MpiCommunicator(std::chrono::milliseconds timeout = std::chrono::seconds(5));

  // Aborts all processes of the run unless finish() was called
  ~MpiCommunicator();
  MpiCommunicator(const MpiCommunicator&) = delete;

  int rank() const;
  int ranks() const;

  // Rank and number among the processes of the run on the same machine
  int local_rank() const;
  int local_ranks() const;

  // The monitor in which this process waits for messages; its device number is rank()
  RunMonitor& monitor();

  // Queues a packet and returns at once
  void send(int to, MessageTag tag, Packet packet);

  // Assigns the next packet with this tag from process _from_ to _handler_, for one packet. The handler must live until
  // it has received the packet or is cancelled
  void post_receive(int from, MessageTag tag, ReceiveHandler& handler);
  void cancel(const ReceiveHandler& handler);

  // Collects one text of each process, by rank, on process 0; returns nothing on the others
  std::vector<std::string> gather(std::string text);

  // Returns the text of process 0 on all processes
  std::string broadcast(std::string text);

  // Waits until all processes have called finish, then finalizes MPI. No communication may follow
  void finish();

  // Tells all other processes that this one has failed, and why
  void fail(const std::string& sentence);

  // Aborts all processes of the run after 1 s, in which each can report its error
  [[noreturn]] void abort(int status);

  // Converts between the clock of this process and a time that all processes agree on: nanoseconds since process 0
  // started
  std::int64_t synchronized_time(WallClock::time_point moment) const;
  WallClock::time_point local_time(std::int64_t synchronized) const;

 private:
  class ProgressThread;
  std::unique_ptr<ProgressThread> progress_;
};

}  // namespace ringattn
