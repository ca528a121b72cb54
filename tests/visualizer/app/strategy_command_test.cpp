// Tests of the commands of ringviz with traces and live runs of other strategies than a ring.

#include <doctest/doctest.h>

#include "tests/visualizer/support/program.h"

using namespace ringattn;

TEST_CASE("live runs of strategies that are unknown or cannot compute the problem are rejected") {
  expect_rejection({"--live", "--strategy", "star"}, "bidirectional");
  expect_rejection({"--live", "--strategy", "auto"}, "which chooses one");
  expect_rejection({"--live", "--strategy", "usp"}, "choose as group a divisor of 4");
  expect_rejection({"--live", "--strategy", "ulysses", "--heads", "3"}, "choose a divisor of 3");
  expect_rejection({"--live", "--strategy", "ulysses", "--heads", "4"}, "a window needs a display");
}

#ifdef RINGATTN_EXECUTABLE
TEST_CASE("traces of ringattn run with any strategy are checked and shown") {
  const TemporaryDirectory directory;
  using Options = std::vector<std::string>;
  for (const Options& options :
       {Options{"all-gather", "--devices", "5", "--rotate", "q", "--backward"},
        Options{"bidirectional", "--kv-heads", "2", "--transport", "lockstep"},
        Options{"double-ring", "--group", "2", "--backward"},
        Options{"ulysses", "--causal", "--layout", "zigzag"}, Options{"usp", "--group", "2", "--backward"},
        Options{"tree", "--devices", "3"}}) {
    INFO(options.front());
    const std::string trace = directory.path / "a.trace";
    Options command = {RINGATTN_EXECUTABLE, "run", "--seq",     "22", "--heads", "4",
                       "--trace",           trace, "--strategy"};
    command.insert(command.end(), options.begin(), options.end());
    REQUIRE(Program(command).answer().status == 0);
    run_successfully({"check", trace});
    for (const std::string state : {"t=500&zoom=ring", "t=1e9&dock=code"})
      run_successfully(
          {"shot", trace, "--state", state, "--size", "960x540", "--out", directory.path / "a.png"});
  }
}
#endif
