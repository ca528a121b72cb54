#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/file_fixtures.h"

namespace ringattn {

// What a program did.
struct ProcessResult {
  int status = -1;  // of its exit; 128 + the signal that ended it
  std::string out, err;
};

// A program that runs beside the test, and no longer than it.
class Program {
 public:
  // Arguments are what they are, no shell comes near them. _environment_: "NAME=value", besides ours
  explicit Program(std::vector<std::string> command, const std::vector<std::string>& environment = {});
  ~Program();
  Program(const Program&) = delete;

  bool running();
  void send_signal(int signal) const;
  // Waits for its end, which comes by force where it lasts too long
  ProcessResult answer();
  std::string out() const { return read_file(files_->path / "out"); }  // so far

 private:
  std::unique_ptr<TemporaryDirectory> files_ = std::make_unique<TemporaryDirectory>();
  pid_t process_ = -1;
  int status_ = -1;
};

// Whether a condition comes true in a time that is long for any machine
template <class Condition>
bool eventually(Condition&& condition) {
  using namespace std::chrono_literals;
  for (const auto end = std::chrono::steady_clock::now() + 60s; !condition();) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

// Whether there is such a program
bool is_installed(const std::string& program);

// ---- ringviz -----------------------------------------------------------------------------

std::vector<std::string> ringviz(std::vector<std::string> arguments);

// Status 0 and nothing on standard error
ProcessResult run_successfully(const std::vector<std::string>& arguments);

// Checks that bad input is refused as promised: status 2, nothing on standard output, one sentence on
// standard error, and _part_ in it
void expect_rejection(const std::vector<std::string>& arguments, const std::string& part);

}  // namespace ringattn
