#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ringattn::viz {

// A child process that reads what we write. No shell is involved, so arguments need no quoting.
class ProgramPipe {
 public:
  // Searches the program in PATH. Throws std::system_error if it cannot be started
  explicit ProgramPipe(const std::vector<std::string>& command);
  // Kills the program if it is still running
  ~ProgramPipe();
  ProgramPipe(const ProgramPipe&) = delete;

  // Returns whether the program accepted all bytes; otherwise it has closed its input
  bool write(std::span<const std::uint8_t> bytes);

  // Closes the input and waits for the program to exit. Returns its exit status, or 128 + signal
  int finish();

  // The end of its standard error, on one line
  std::string error_output() const;

 private:
  void close_input();

  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, CloseFile> errors_;
  int input_ = -1;
  pid_t process_ = -1;
};

}  // namespace ringattn::viz
