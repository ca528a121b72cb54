#include "reference/cli/oracle/tested_program.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <system_error>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/input/in_quotes.h"
#include "reference/files/child_process.h"
#include "reference/files/temporary_file.h"

namespace ringattn::cli {

namespace fs = std::filesystem;

namespace {

constexpr int status_not_executable = 126, status_not_found = 127;  // of the shell

// The path as one word for the shell
std::string shell_quote(const fs::path& path) {
  std::string text = "'";
  for (const char c : path.string()) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string substitute_paths(std::string command, const fs::path& input, const fs::path& output) {
  const auto replace = [&](const std::string& mark, const std::string& by) {
    for (std::size_t at = 0; (at = command.find(mark, at)) != std::string::npos; at += by.size())
      command.replace(at, mark.size(), by);
  };
  replace("{case}", shell_quote(input));
  replace("{out}", shell_quote(output));
  return command;
}

// The exit status of the shell. Standard output and error of the program go to the file _log_
std::optional<int> run_shell(const std::string& operation, const std::string& command, const fs::path& log,
                             double seconds) {
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int report = open(log.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  std::optional<int> status;
  try {
    ChildProcess shell({"/bin/sh", "-c", command}, nothing, report, report);
    status = seconds == no_time_limit ? shell.wait() : shell.wait_for(seconds);
  } catch (const std::system_error& failure) {
    throw BadInput("[" + operation + "] /bin/sh must start; found " + failure.code().message() +
                   "; close other programs and try again");
  }
  close(nothing), close(report);
  return status;
}

// The last line that is not blank
std::string last_line(const fs::path& log) {
  std::ifstream stream(log);
  std::string last;
  for (std::string line; std::getline(stream, line);)
    if (line.find_first_not_of(" \t\r") != std::string::npos) last = line;
  constexpr std::size_t max_length = 160;
  return last.substr(0, max_length);
}

}  // namespace

std::string ProgramRun::describe() const {
  return "exit status " + std::to_string(status.value_or(0)) + (last_line.empty() ? "" : ": " + last_line);
}

void check_program(const std::string& command) {
  require(command.find("{case}") != std::string::npos && command.find("{out}") != std::string::npos,
          "[--program] the command must contain {case} and {out}, the files that it reads and writes; found ",
          in_quotes(command), "; write, for example, --program './mine {case} {out}'");
}

ProgramRun run_tested_program(const std::string& operation, const std::string& command, const fs::path& input,
                              const fs::path& output, double seconds) {
  const TemporaryFile log = make_temporary_file("-log");
  const std::optional<int> status =
      run_shell(operation, substitute_paths(command, input, output), log.path(), seconds);
  ProgramRun run{status, last_line(log.path())};
  require(status != status_not_found && status != status_not_executable,
          "[--program] the shell must find and run the command; found exit status ", status.value_or(0), ", ",
          in_quotes(run.last_line), "; correct the command");
  return run;
}

}  // namespace ringattn::cli
