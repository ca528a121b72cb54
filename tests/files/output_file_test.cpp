// Output files are replaced only when they are complete.

#include "reference/files/output_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <thread>

#include "reference/definition/random.h"
#include "reference/files/child_process.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/trials.h"

using namespace ringattn;
namespace fs = std::filesystem;

TEST_CASE("commit() creates the output file and leaves no other file") {
  const TemporaryDirectory directory;
  const fs::path path = directory.path / "out.json";
  OutputFile output(path);
  output.stream() << "whole";
  CHECK_FALSE(fs::exists(path));
  output.commit();
  CHECK(read_file(path) == "whole");
  CHECK(directory.files() == 1);
}

TEST_CASE("an existing output survives a failure, and the temporary file is removed") {
  const TemporaryDirectory directory;
  const fs::path path = write_file(directory.path / "out.json", "before");
  try {
    OutputFile output(path);
    output.stream() << "half" << std::flush;
    CHECK(directory.files() == 2);
    throw std::runtime_error("failed on the way");
  } catch (const std::runtime_error&) {
  }
  CHECK(read_file(path) == "before");
  CHECK(directory.files() == 1);
}

TEST_CASE("an output that could not be written completely is not committed") {
  const TemporaryDirectory directory;
  const fs::path path = write_file(directory.path / "out.json", "before");
  {
    OutputFile output(path);
    output.stream() << "half";
    output.stream().setstate(std::ios::badbit);
    check_message(bad_input_message([&] { output.commit(); }), "not all of it could be written");
  }
  CHECK(read_file(path) == "before");
  CHECK(directory.files() == 1);
}

TEST_CASE("a path that cannot be written is rejected before any work") {
  const TemporaryDirectory directory;
  write_file(directory.path / "file", "");
  check_message(bad_input_message([&] { OutputFile output(directory.path / "missing" / "out"); }),
                "No such file or directory");
  check_message(bad_input_message([&] { OutputFile output(directory.path / "file" / "out"); }),
                "Not a directory");
  check_message(bad_input_message([&] { OutputFile output(directory.path); }), "this is a directory");
  check_message(bad_input_message([] { OutputFile output(""); }), "the path is empty");
  CHECK(directory.files() == 1);
}

TEST_CASE("a symbolic link is kept, and a file keeps its permissions") {
  const TemporaryDirectory directory;
  const fs::path path = write_file(directory.path / "out", "before"), link = directory.path / "link";
  const fs::perms only_owner = fs::perms::owner_read | fs::perms::owner_write;
  fs::create_symlink("out", link);
  fs::permissions(path, only_owner);
  OutputFile output(link);
  output.stream() << "after";
  output.commit();
  CHECK(fs::is_symlink(link));
  CHECK(read_file(path) == "after");
  const bool permissions_kept = fs::status(path).permissions() == only_owner;
  CHECK(permissions_kept);
}

TEST_CASE("a symbolic link without a target is kept, and its target is created") {
  const TemporaryDirectory directory;
  fs::create_directory(directory.path / "folder");
  fs::create_symlink("folder/second", directory.path / "first");
  fs::create_symlink("target", directory.path / "folder/second");
  OutputFile output(directory.path / "first");
  output.stream() << "new";
  output.commit();
  CHECK(fs::is_symlink(directory.path / "first"));
  CHECK(fs::is_symlink(directory.path / "folder/second"));
  CHECK(read_file(directory.path / "folder/target") == "new");
}

TEST_CASE("symbolic links that form a loop are rejected and kept") {
  const TemporaryDirectory directory;
  fs::create_symlink("second", directory.path / "first");
  fs::create_symlink("first", directory.path / "second");
  check_message(bad_input_message([&] { OutputFile output(directory.path / "first"); }), "symbolic links");
  CHECK(fs::is_symlink(directory.path / "first"));
  CHECK(directory.files() == 2);
}

TEST_CASE("only a report goes to standard output by the name of a minus sign") {
  check_message(bad_input_message([] { OutputFile output("-"); }), "only reports");
}

TEST_CASE("a pipe is written directly and stays a pipe") {
  const TemporaryDirectory directory;
  const fs::path path = directory.path / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  OutputFile output(path);
  output.stream() << "bytes";
  output.commit();
  char bytes[8] = {};
  CHECK(read(reader, bytes, sizeof bytes) == 5);
  close(reader);
  CHECK(fs::is_fifo(path));
}

TEST_CASE("two outputs in one directory, even of the same name, do not interfere") {
  const TemporaryDirectory directory;
  OutputFile first(directory.path / "out"), second(directory.path / "out");
  first.stream() << "first";
  second.stream() << "second";
  second.commit();
  CHECK(read_file(directory.path / "out") == "second");
  first.commit();
  CHECK(read_file(directory.path / "out") == "first");
}

TEST_CASE("a signal that terminates the program removes the temporary file and keeps the output") {
  for (const int signal_number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) {
    const TemporaryDirectory directory;
    const fs::path path = write_file(directory.path / "out", "before");
    const pid_t child = fork();
    if (child == 0) {
      signal(signal_number, SIG_DFL);
      OutputFile output(path);
      output.stream() << "half" << std::flush;
      raise(signal_number);
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK((WIFSIGNALED(status) && WTERMSIG(status) == signal_number));
    CHECK(read_file(path) == "before");
    CHECK(directory.files() == 1);
  }
}

namespace {

// Waits for a child process, and kills it if it hangs. Returns the signal that ended it; 0: none
int ending_signal(pid_t child) {
  int status = 0;
  for (int waited = 0; waitpid(child, &status, WNOHANG) == 0; ++waited) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (waited == 30000) kill(child, SIGKILL);
  }
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

TEST_CASE("a signal at any moment of the creation and removal of files leaves no file") {
  Random random(1);
  for (int trial = 0; trial < trials(40); ++trial) {
    const TemporaryDirectory directory;
    const auto previous = signal(SIGTERM, SIG_DFL);
    const pid_t child = fork();
    if (child != 0) signal(SIGTERM, previous);
    if (child == 0) {
      // Threads that do not block the signal: its handler runs on any of them
      std::thread other([&] {
        for (;;) OutputFile(directory.path / "second").commit();
      });
      for (;;) OutputFile first(directory.path / "first"), third(directory.path / "third");
    }
    std::this_thread::sleep_for(std::chrono::microseconds(2000 + random.below(5000)));
    kill(child, SIGTERM);
    CHECK(ending_signal(child) == SIGTERM);
    CHECK(directory.files() == (fs::exists(directory.path / "second") ? 1 : 0));
  }
}

TEST_CASE("a signal that terminates the program kills the processes that it has started") {
  const TemporaryDirectory directory;
  const fs::path started = directory.path / "started";
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGTERM, SIG_DFL);
    // The shell and its own child write to the file, once per 10 ms, while its directory exists
    ChildProcess({"sh", "-c",
                  "(while echo b > \"$0\"; do sleep 0.01; done) & while echo a > \"$0\"; do sleep 0.01; done",
                  started.string()},
                 STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO)
        .wait();
    _exit(0);
  }
  while (!fs::exists(started)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  kill(child, SIGTERM);
  CHECK(ending_signal(child) == SIGTERM);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  fs::remove(started);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK_FALSE(fs::exists(started));
}

TEST_CASE("the disposition of a signal that is ignored or handled is not changed") {
  const auto previous = signal(SIGHUP, SIG_IGN);
  const TemporaryDirectory directory;
  const OutputFile output(directory.path / "out");
  const bool still_ignored = signal(SIGHUP, previous) == SIG_IGN;
  CHECK(still_ignored);
}
