#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "reference/files/child_process.h"

namespace ringattn::viz {

// A child process that reads what we write, and whose output is stored in files without a name: nothing remains of
// them, however the program ends.
class ProgramPipe {
 public:
  // See ChildProcess. Its standard output is a file, so the program may open /dev/stdout and seek in it. Throws
  // BadInput if a temporary file cannot be created
  explicit ProgramPipe(const std::vector<std::string>& command);
  ~ProgramPipe();
  ProgramPipe(const ProgramPipe&) = delete;

  // Returns whether the program accepted all bytes; otherwise it has closed its input
  bool write(std::span<const std::uint8_t> bytes);

  // Closes the input and waits for the program to exit. Returns its exit status, or 128 + signal
  int finish();

  // Copies its standard output, after finish()
  void copy_output(std::ostream& target) const;

  // The end of its standard error, on one line
  std::string error_output() const;

 private:
  void close_input();

  struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, CloseFile> output_, errors_;
  int input_ = -1;
  std::optional<ChildProcess> process_;
};

}  // namespace ringattn::viz
