#include "reference/files/child_process.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include "reference/files/signal_cleanup.h"

namespace ringattn {

ChildProcess::ChildProcess(std::vector<std::string> command, int input, int output, int error) {
  std::vector<char*> arguments;
  for (std::string& argument : command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t streams;
  posix_spawn_file_actions_init(&streams);
  posix_spawn_file_actions_adddup2(&streams, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&streams, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&streams, error, STDERR_FILENO);

  // A process group of its own; the signals that were blocked before this constructor blocked all
  SignalCleanup cleanup;
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setsigmask(&attributes, &cleanup.signal_mask());
  const int failure = posix_spawnp(&process_, arguments[0], &streams, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&streams);
  if (failure != 0) throw std::system_error(failure, std::generic_category(), arguments[0]);
  cleanup.add_process(process_);
}

ChildProcess::~ChildProcess() {
  if (process_ == 0) return;
  kill(-process_, SIGKILL);
  wait();
}

int ChildProcess::wait() {
  if (process_ == 0) return status_;
  siginfo_t ended;
  while (waitid(P_PID, static_cast<id_t>(process_), &ended, WEXITED | WNOWAIT) < 0 && errno == EINTR) {
  }

  // The process id is free for another process after waitpid
  SignalCleanup cleanup;
  int status = 0;
  waitpid(process_, &status, 0);
  cleanup.remove_process(process_);
  process_ = 0;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return status_;
}

std::optional<int> ChildProcess::wait_for(double seconds) {
  using clock = std::chrono::steady_clock;
  const auto end = clock::now() + std::chrono::duration<double>(seconds);
  constexpr std::chrono::milliseconds shortest{1}, longest{100};
  for (auto pause = shortest; process_ != 0; pause = std::min(2 * pause, longest)) {
    siginfo_t ended{};
    waitid(P_PID, static_cast<id_t>(process_), &ended, WEXITED | WNOWAIT | WNOHANG);
    if (ended.si_pid != 0) break;
    if (clock::now() >= end) return std::nullopt;
    std::this_thread::sleep_for(pause);
  }
  return wait();
}

}  // namespace ringattn
