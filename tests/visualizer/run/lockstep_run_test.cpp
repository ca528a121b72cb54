// Tests of runs in one thread, as in a browser: a live run in lockstep grows to the recorded run, and a deadlock has
// the events that it has with threads.

#include "visualizer/run/lockstep_run.h"

#include <doctest/doctest.h>

#include "tests/support/error_message.h"
#include "tests/support/trials.h"
#include "tests/visualizer/support/strategy_config.h"
#include "visualizer/run/blocked_sends.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

// A limit far above the operations of a small run
constexpr int many_steps = 2000;

int steps_to_the_end(LiveRun& run) {
  int steps = 0;
  for (; run.running() && steps < many_steps; ++steps) run.step();
  return steps;
}

double last_time(const Recording& recording) { return recording.events().back().t; }

RunConfig with_links(int devices) {
  RunConfig config;
  config.devices = devices, config.queries = 13, config.keys = 11;
  config.cost = {.ns_per_pair = 1, .link_gbps = 2, .link_latency_us = 0};
  return config;
}

}  // namespace

TEST_CASE("a live run in lockstep adds events to those before, and ends as the recorded run") {
  Random random(5);
  for (int trial = 0; trial < trials(18); ++trial) {
    const bool ring = trial % 3 != 0;
    const RunConfig config =
        ring ? random_config(random) : strategy_config(random, shown_strategies[trial / 3 % 6], 3);
    const std::string whole = lines_of(*record_run(config).recording);
    LockstepRun run(config);
    std::size_t events = run.snapshot()->events().size();
    for (int step = 0; run.running() && step < many_steps; ++step) {
      run.step();
      const std::shared_ptr<Recording> now = run.snapshot();
      CHECK(now->events().size() >= events);
      events = now->events().size();
      bool beginning = true;
      for (const Event& event : now->events())
        beginning = beginning && whole.find(line_of(*now, event)) != std::string::npos;
      CHECK(beginning);
    }
    CHECK(run.snapshot()->whole());
    const bool same = lines_of(*run.snapshot()) == whole;
    CHECK(same);
  }
}

TEST_CASE("in lockstep a stalled device stops the ring until it continues") {
  LockstepRun run(with_links(3));
  run.stall(1, true);
  for (int step = 0; step < many_steps; ++step) run.step();
  CHECK(run.running());
  CHECK(run.holds(1));
  CHECK_FALSE(run.holds(0));
  run.open();
  CHECK(run.running());
  run.stall(1, false);
  run.open();
  CHECK_FALSE(run.running());
  CHECK(run.snapshot()->whole());
  CHECK_FALSE(run.holds(1));
}

TEST_CASE("in lockstep a link that becomes slow delays only the messages after that") {
  LockstepRun slow(with_links(5)), equal(with_links(5));
  for (int step = 0; step < 4; ++step) slow.step(), equal.step();
  slow.slow_link(2, 8);
  CHECK(lines_of(*slow.snapshot()) == lines_of(*equal.snapshot()));
  steps_to_the_end(slow), steps_to_the_end(equal);
  CHECK(last_time(*slow.snapshot()) > last_time(*equal.snapshot()));
  CHECK(error_message([&] { slow.slow_link(2, 0.5); }).find("at least 1") != std::string::npos);
}

TEST_CASE("a link that is slow from the start of a run in lockstep is the slow link of the recorded run") {
  RunConfig config = with_links(4);
  LockstepRun run(config);
  run.slow_link(3, 3);
  steps_to_the_end(run);
  config.slow_link = 3, config.slow_factor = 3;
  const bool same = lines_of(*run.snapshot()) == lines_of(*record_run(config).recording);
  CHECK(same);
}

TEST_CASE("blocked sends have the same events in one thread as with a thread for each device") {
  for (const int devices : {2, 3, 7})
    for (const Rotation rotate : {Rotation::kv, Rotation::q}) {
      RunConfig config = with_links(devices);
      config.rotate = rotate, config.fault = "all_send_first";
      config = completed(config);
      const RecordedRun threads = record_run(config);
      const RunEvents one = blocked_sends(config, make_run_problem<double>(config));
      CHECK(one.failure.find("deadlock") != std::string::npos);
      const Recording recording(header_of(config), one.events, TraceExtent::unfinished);
      CHECK(lines_of(recording) == lines_of(*threads.recording));
    }
}
