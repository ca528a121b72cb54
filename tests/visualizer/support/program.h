#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/file_fixtures.h"

namespace ringattn {

// The result of a program.
struct ProcessResult {
  int status = -1;  // exit status, or 128 + the signal that ended it
  std::string out, err;
};

// A child process, killed in the destructor.
class Program {
 public:
  // No shell is involved. _environment_: "NAME=value", in addition to our environment
  explicit Program(std::vector<std::string> command, const std::vector<std::string>& environment = {});
  ~Program();
  Program(const Program&) = delete;

  bool running();
  void send_signal(int signal) const;
  // Waits for the program to exit; kills it after a timeout
  ProcessResult answer();
  std::string out() const { return read_file(files_->path / "out"); }  // output so far

 private:
  std::unique_ptr<TemporaryDirectory> files_ = std::make_unique<TemporaryDirectory>();
  pid_t process_ = -1;
  int status_ = -1;
};

// Whether a condition becomes true within 60 s
template <class Condition>
bool eventually(Condition&& condition) {
  using namespace std::chrono_literals;
  for (const auto end = std::chrono::steady_clock::now() + 60s; !condition();) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

// Whether a program is installed
bool is_installed(const std::string& program);

// ---- ringviz -----------------------------------------------------------------------------

std::vector<std::string> ringviz(std::vector<std::string> arguments);

// Runs ringviz and checks for status 0 and an empty standard error
ProcessResult run_successfully(const std::vector<std::string>& arguments);

// Runs ringviz and checks that it rejects bad input: status 2, no standard output, one sentence with _part_ on standard
// error
void expect_rejection(const std::vector<std::string>& arguments, const std::string& part);

}  // namespace ringattn
