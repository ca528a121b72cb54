#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace ringattn::cli {

// One run of the user's program on files, by the shell.
struct ProgramRun {
  std::optional<int>
      status;  // its exit status, or 128 + the signal that ended it; none: it ran past the time limit
  std::string last_line;  // that it wrote to standard output or error

  // "exit status 1: out of memory", of a program that has ended
  std::string describe() const;
};

constexpr double no_time_limit = 0;

// Throws BadInput unless the command contains {case} and {out}, the files that the program reads and writes
void check_program(const std::string& command);

// Runs the command with the paths in place of {case} and {out}. A program that runs longer than _seconds_ is ended,
// with all processes of its group. Throws BadInput, in the name of _operation_, if the shell does not find the
// program
ProgramRun run_tested_program(const std::string& operation, const std::string& command,
                              const std::filesystem::path& input, const std::filesystem::path& output,
                              double seconds = no_time_limit);

}  // namespace ringattn::cli
