#include "visualizer/raster/program_pipe.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

extern char** environ;

namespace ringattn::viz {

namespace {

void check(int error, const char* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

}  // namespace

ProgramPipe::ProgramPipe(const std::vector<std::string>& command) : errors_(std::tmpfile()) {
  check(errors_ ? 0 : errno, "temporary file for its messages");
  // Unlike a pipe, a socket can be written without SIGPIPE after the other end was closed
  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : errno, "socket to it");
  input_ = ends[0];

  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, fileno(errors_.get()), STDERR_FILENO);
  const int error = posix_spawnp(&process_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) close_input(), process_ = -1;
  check(error, arguments[0]);
}

ProgramPipe::~ProgramPipe() {
  if (process_ > 0) kill(process_, SIGKILL);
  finish();
}

bool ProgramPipe::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t taken = send(input_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(taken));
  }
  return true;
}

int ProgramPipe::finish() {
  close_input();
  if (process_ <= 0) return -1;
  int status = 0;
  while (waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void ProgramPipe::close_input() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

std::string ProgramPipe::error_output() const {
  constexpr long longest = 240;
  std::FILE* file = errors_.get();
  std::fseek(file, 0, SEEK_END);
  const long size = std::ftell(file), shown = std::min(size, longest);
  std::fseek(file, size - shown, SEEK_SET);
  std::string text(static_cast<std::size_t>(shown), ' ');
  text.resize(std::fread(text.data(), 1, text.size(), file));

  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return shown < size ? "... " + text : text;
}

}  // namespace ringattn::viz
