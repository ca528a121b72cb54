#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace ringattn::viz {

// A program that runs beside ours and reads what we write. No shell is involved: arguments are what they are.
class ProgramPipe {
 public:
  // The program is looked for in PATH. Throws std::system_error where it cannot be started
  explicit ProgramPipe(const std::vector<std::string>& command);
  // Ends the program, if it still runs
  ~ProgramPipe();
  ProgramPipe(const ProgramPipe&) = delete;

  // Whether the program took it all; if not, it reads no more
  bool write(std::span<const std::uint8_t> bytes);

  // There is no more to read. Waits for the end of the program; its exit status
  int finish();

  // What it has said on its standard error, the end of it, on one line
  std::string complaint() const;

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
