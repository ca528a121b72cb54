#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "reference/trace/recorder.h"
#include "reference/comm/mpi/packet.h"
#include "reference/comm/run_monitor.h"

namespace ringattn {

// The post between the processes of a run, over MPI. One thread of each process does everything that has to
// do with MPI: letters travel beside the arithmetic, and each process tells the next one now and then that it
// lives. If a process is lost, or fails, all others learn it: whoever waits in the room is woken by an error
// that names it.
class MpiCommunicator {
 public:
  // A process that is silent for so long is lost. Throws BadInput where the program was built without MPI
  explicit MpiCommunicator(std::chrono::milliseconds timeout = std::chrono::seconds(5));

  // Ends all processes of the run, unless it was finished
  ~MpiCommunicator();
  MpiCommunicator(const MpiCommunicator&) = delete;

  int rank() const;
  int ranks() const;

  // Among the processes of the run on the same machine, counted from 0
  int local_rank() const;
  int local_ranks() const;

  // Where this process waits, on behalf of the device of its rank
  RunMonitor& monitor();

  // Returns at once
  void send(int to, MessageTag tag, Packet packet);

  // The next packet about _tag_ from process _from_, and no other, goes into the handler; unless that is
  // forgotten
  void post_receive(int from, MessageTag tag, ReceiveHandler& handler);
  void cancel(const ReceiveHandler& handler);

  // A text of each process, by rank: all of them on process 0, nothing on the others
  std::vector<std::string> gather(std::string text);

  // The text of process 0
  std::string broadcast(std::string text);

  // Waits until all processes have come so far; the last that is to be done
  void finish();

  // Tells all others that this process has failed, and why
  void fail(const std::string& sentence);

  // Ends all processes of the run, after a moment in which each can say what it has to say
  [[noreturn]] void abort(int status);

  // The clocks of all processes as one: nanoseconds since process 0 began
  std::int64_t synchronized_time(WallClock::time_point moment) const;
  WallClock::time_point local_time(std::int64_t synchronized) const;

 private:
  class ProgressThread;
  std::unique_ptr<ProgressThread> progress_;
};

}  // namespace ringattn
