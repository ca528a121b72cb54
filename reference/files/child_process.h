#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace ringattn {

// A child process, the leader of a process group of its own. The destructor kills the group if the child still runs;
// so do signals that terminate this program.
class ChildProcess {
 public:
  // Starts the program _command[0]_, which is searched in PATH. No shell is involved, so arguments need no quoting. The
  // file descriptors become its standard input, output and error. Throws std::system_error if it cannot be started
  ChildProcess(std::vector<std::string> command, int input, int output, int error);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Waits for the process to exit. Returns its exit status, or 128 + signal
  int wait();

  // The same; nothing if the process still runs after _seconds_
  std::optional<int> wait_for(double seconds);

 private:
  pid_t process_ = 0;  // 0: has ended
  int status_ = 0;
};

}  // namespace ringattn
