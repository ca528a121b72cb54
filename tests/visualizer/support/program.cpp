#include "tests/visualizer/support/program.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

namespace ringattn {

namespace {

std::string line_of(const std::vector<std::string>& arguments) {
  std::string line = "ringviz";
  for (const std::string& argument : arguments) line += " " + argument;
  return line;
}

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> all;
  for (std::string& word : words) all.push_back(word.data());
  all.push_back(nullptr);
  return all;
}

}  // namespace

Program::Program(std::vector<std::string> command, const std::vector<std::string>& environment) {
  const std::string out = files_->path / "out", err = files_->path / "err";
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT, 0600);

  // The first variable with a name takes precedence
  std::vector<std::string> variables = environment;
  for (char** each = environ; *each; ++each) variables.emplace_back(*each);
  REQUIRE(posix_spawnp(&process_, command.front().c_str(), &files, nullptr, pointers(command).data(),
                       pointers(variables).data()) == 0);
  posix_spawn_file_actions_destroy(&files);
}

Program::~Program() {
  if (!running()) return;
  send_signal(SIGKILL);
  waitpid(process_, &status_, 0);
}

bool Program::running() {
  if (process_ > 0 && waitpid(process_, &status_, WNOHANG) == process_) process_ = -1;
  return process_ > 0;
}

void Program::send_signal(int signal) const {
  if (process_ > 0) kill(process_, signal);
}

ProcessResult Program::answer() {
  if (!eventually([this] { return !running(); })) {
    send_signal(SIGKILL);
    waitpid(process_, &status_, 0);
    process_ = -1;
  }
  return {WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_), out(),
          read_file(files_->path / "err")};
}

bool is_installed(const std::string& program) {
  return std::system(("command -v " + program + " > /dev/null").c_str()) == 0;
}

std::vector<std::string> ringviz(std::vector<std::string> arguments) {
  arguments.emplace(arguments.begin(), RINGVIZ_EXECUTABLE);
  return arguments;
}

ProcessResult run_successfully(const std::vector<std::string>& arguments) {
  const ProcessResult answer = Program(ringviz(arguments)).answer();
  INFO(line_of(arguments));
  CHECK(answer.err == "");
  CHECK(answer.status == 0);
  return answer;
}

void expect_rejection(const std::vector<std::string>& arguments, const std::string& part) {
  // Without a display, so that no window can open by mistake
  const ProcessResult answer = Program(ringviz(arguments), {"DISPLAY=", "WAYLAND_DISPLAY="}).answer();
  INFO(line_of(arguments) << "\nstandard error: " << answer.err << "expected in it: " << part);
  CHECK(answer.status == 2);
  CHECK(answer.out == "");
  const bool one_line = answer.err.find('\n') + 1 == answer.err.size() && answer.err.size() > 1;
  CHECK(one_line);
  const bool ours = answer.err.rfind("ringviz: ", 0) == 0,
             has_part = answer.err.find(part) != std::string::npos;
  CHECK(ours);
  CHECK(has_part);
}

}  // namespace ringattn
