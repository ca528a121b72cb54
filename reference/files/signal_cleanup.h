#pragma once

#include <signal.h>
#include <sys/types.h>

namespace ringattn {

// The temporary files and child processes of this program, in tables that a signal handler may read. Signals that
// terminate the program (Ctrl-C, a closed pipe, ...) first kill the processes and remove the files, unless the program
// handles or ignores these signals.
//
// The object is a lock of the tables, and blocks all signals in this thread. Create a file or a process and add it
// under one lock, and remove it under one: a signal then finds both or none. A table with 32 entries is full, and what
// does not fit survives a signal.
class SignalCleanup {
 public:
  SignalCleanup();
  ~SignalCleanup();
  SignalCleanup(const SignalCleanup&) = delete;
  SignalCleanup& operator=(const SignalCleanup&) = delete;

  void add_file(const char* path);
  void remove_file(const char* path);

  // The process must be the leader of a process group: all of the group are killed
  void add_process(pid_t process);
  void remove_process(pid_t process);

  // The signals that were blocked before
  const sigset_t& signal_mask() const { return mask_; }

 private:
  sigset_t mask_;
};

// Ends the program without destructors, after the cleanup of a signal; for callers that cannot throw
[[noreturn]] void exit_after_cleanup(int status);

}  // namespace ringattn
