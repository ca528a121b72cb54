#include "reference/files/output_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>

#include "tests/support/file_fixtures.h"

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

TEST_CASE("the disposition of a signal that is ignored or handled is not changed") {
  const auto previous = signal(SIGHUP, SIG_IGN);
  const TemporaryDirectory directory;
  const OutputFile output(directory.path / "out");
  const bool still_ignored = signal(SIGHUP, previous) == SIG_IGN;
  CHECK(still_ignored);
}
