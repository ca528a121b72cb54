// Tests of live runs: a snapshot is a beginning of the recorded run, a stalled or slow device makes the others wait,
// and a live run can be ended at any time.

#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <thread>

#include "tests/support/error_message.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/trials.h"
#include "tests/visualizer/support/strategy_config.h"
#include "visualizer/run/threaded_run.h"

using namespace ringattn;
using namespace ringattn::viz;

namespace {

using Milliseconds = std::chrono::milliseconds;

// Whether a condition becomes true within a time that is long for a small run
bool comes(const std::function<bool()>& condition) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > limit) return false;
    std::this_thread::sleep_for(Milliseconds(1));
  }
  return true;
}

bool ends(const LiveRun& run) {
  return comes([&] { return !run.running(); });
}

RunConfig without_cost(Random& random) {
  RunConfig config = random_config(random);
  config.cost.link_gbps = config.cost.link_latency_us = 0;  // real transfers would take time
  return config;
}

// The lines of a recording by the id of their events, separately for begins and ends
std::map<std::string, std::string> lines_by_event(const Recording& recording) {
  std::map<std::string, std::string> lines;
  for (const Event& event : recording.events()) {
    const std::string line = line_of(recording, event);
    lines[line.substr(0, line.find("\"kind\""))] = line;
  }
  return lines;
}

// Whether the events of _part_ are, for each device, the first events of the whole recording
bool is_prefix(const Recording& part, const Recording& whole) {
  const auto lines = lines_by_event(whole);
  for (const auto& [event, line] : lines_by_event(part)) {
    const auto found = lines.find(event);
    if (found == lines.end() || found->second != line) return false;
  }
  return part.broken().empty();  // the checker reports gaps in the sequence of a device
}

// The number of spans of a kind that each device has begun
std::vector<int> spans_of(LiveRun& run, EventKind kind, int devices) {
  std::vector<int> counts(static_cast<std::size_t>(devices));
  for (const Span& span : run.snapshot()->spans().all())
    if (span.begin->kind == kind) ++counts[static_cast<std::size_t>(span.begin->id.device)];
  return counts;
}

// The unfinished wait of a device; null: none
const Event* open_wait(const Recording& recording, int device) {
  for (const Span& span : recording.spans().of(device))
    if (span.begin->kind == EventKind::wait && !span.end) return span.begin;
  return nullptr;
}

}  // namespace

TEST_CASE("a snapshot of a live run is a beginning of the recorded run") {
  Random random(1);
  for (int trial = 0; trial < trials(40); ++trial) {
    const RunConfig config = without_cost(random);
    const RecordedRun recorded = record_run(config);
    ThreadedRun run(config);
    for (int verb = 0; run.running(); ++verb) {
      if (verb < 10)
        run.step();
      else
        run.open();
      CHECK(is_prefix(*run.snapshot(), *recorded.recording));
    }
    CHECK(run.failure() == "");
    CHECK(run.snapshot()->whole());
    const bool same = lines_of(*run.snapshot()) == lines_of(*recorded.recording);
    CHECK(same);
  }
}

TEST_CASE("a live run of any strategy has the events of the recorded run") {
  Random random(2);
  for (const Strategy strategy : shown_strategies)
    for (const int devices : {3, 4}) {
      RunConfig config = strategy_config(random, strategy, devices);
      config.cost.link_gbps = config.cost.link_latency_us = 0;
      ThreadedRun run(config);
      for (int step = 0; step < 10; ++step) run.step();
      run.open();
      REQUIRE(ends(run));
      CHECK(run.failure() == "");
      const bool same = lines_of(*run.snapshot()) == lines_of(*record_run(config).recording);
      CHECK(same);
    }
}

TEST_CASE("a live run advances only when released, device by device and operation by operation") {
  ThreadedRun run({});
  const auto waits = [&] { return spans_of(run, EventKind::wait, 4); };
  const auto sends = [&] { return spans_of(run, EventKind::send, 4); };
  // All devices have begun to wait for a slot, and are stopped at the gate
  REQUIRE(comes([&] { return waits() == std::vector<int>{1, 1, 1, 1}; }));
  CHECK(sends() == std::vector<int>{0, 0, 0, 0});
  run.step(2);
  REQUIRE(comes([&] { return sends() == std::vector<int>{0, 0, 1, 0}; }));
  run.step();
  REQUIRE(comes([&] { return sends() == std::vector<int>{1, 1, 1, 1}; }));
  std::this_thread::sleep_for(Milliseconds(5));
  CHECK(run.running());
  CHECK(sends() == std::vector<int>{1, 1, 1, 1});
  run.open();
  CHECK(ends(run));
}

TEST_CASE("a step released before the run has begun is taken") {
  ThreadedRun run({});
  run.step();
  CHECK(comes([&] { return spans_of(run, EventKind::send, 4) == std::vector<int>{1, 1, 1, 1}; }));
}

TEST_CASE("a live run completes step by step, forward and backward") {
  RunConfig config;
  config.devices = 2, config.backward = true;
  ThreadedRun run(config);
  CHECK(comes([&] {
    run.step();
    return !run.running();
  }));
  CHECK(run.snapshot()->whole());
}

TEST_CASE("when one device stalls, all others wait until it continues") {
  ThreadedRun run({});
  run.stall(1, true);
  run.open();
  for (int device : {0, 2, 3}) CHECK(comes([&] { return open_wait(*run.snapshot(), device) != nullptr; }));
  run.step();
  run.step(1);
  std::this_thread::sleep_for(Milliseconds(5));
  CHECK(run.running());
  CHECK(spans_of(run, EventKind::send, 4)[1] == 0);
  run.stall(1, false);
  CHECK(ends(run));
  CHECK(run.snapshot()->broken().empty());
}

TEST_CASE("releasing a stalled device has no effect") {
  ThreadedRun run({});
  run.stall(1, true);
  run.step();
  REQUIRE(comes([&] { return spans_of(run, EventKind::send, 4) == std::vector<int>{1, 0, 1, 1}; }));
  run.stall(1, false);
  std::this_thread::sleep_for(Milliseconds(5));
  CHECK(spans_of(run, EventKind::send, 4)[1] == 0);
  run.step(1);
  CHECK(comes([&] { return spans_of(run, EventKind::send, 4)[1] == 1; }));
}

TEST_CASE("a device stalled before the run has begun performs no operation") {
  RunConfig config;
  config.devices = 2, config.backward = true;
  ThreadedRun run(config);
  run.stall(0, true);
  run.open();
  std::this_thread::sleep_for(Milliseconds(5));
  CHECK(run.running());
  run.stall(0, false);
  CHECK(ends(run));
}

TEST_CASE("messages over a slowed link are late, in real and in modelled time") {
  RunConfig config;
  config.cost = {.link_latency_us = 4000};
  ThreadedRun run(config);
  run.slow_link(2, 10);
  run.open();
  REQUIRE(ends(run));
  for (const Event& event : run.snapshot()->events())
    if (event.kind == EventKind::recv) {
      CHECK(event.transfer_w >= (event.peer == 2 ? 40'000'000 : 4'000'000));
      CHECK(event.transfer_t == doctest::Approx(event.peer == 2 ? 4e7 : 4e6));
    }
}

TEST_CASE("links that change their speed during the run violate no invariant") {
  Random random(4);
  for (int trial = 0; trial < trials(40); ++trial) {
    RunConfig config = without_cost(random);
    config.devices += 1;
    config.cost = {.link_gbps = 100, .link_latency_us = 0.2};
    ThreadedRun run(config);
    while (run.running()) {
      for (int device = 0; device < config.devices; ++device)
        run.slow_link(device, 1 + 100 * static_cast<double>(random.below(2)));
      run.step();
    }
    const std::vector<std::string>& broken = run.snapshot()->broken();
    const std::string sentence = broken.empty() ? "" : broken.front();
    CHECK(sentence == "");
  }
}

TEST_CASE("a link cannot be made faster than configured") {
  ThreadedRun run({});
  check_message(bad_input_message([&] { run.slow_link(0, 0.5); }), "at least 1; found 0.5");
  check_message(bad_input_message([&] { run.slow_link(0, NAN); }), "at least 1; found nan");
}

TEST_CASE("without new events, snapshot returns the same recording") {
  ThreadedRun run({});
  REQUIRE(comes([&] { return spans_of(run, EventKind::wait, 4) == std::vector<int>{1, 1, 1, 1}; }));
  const auto before = run.snapshot();
  CHECK(run.snapshot() == before);
  run.step();
  CHECK(comes([&] { return run.snapshot() != before; }));
  CHECK_FALSE(run.snapshot()->whole());
  run.open();
  REQUIRE(ends(run));
  CHECK(run.snapshot()->whole());
  CHECK(run.snapshot() == run.snapshot());
}

TEST_CASE("a live run has the output of full attention and the words") {
  RunConfig config;
  config.text = "to be or not to be";
  ThreadedRun run(config);
  CHECK(run.snapshot()->words.size() == 6);
  CHECK(run.snapshot()->dense_out(5) == record_run(config).recording->dense_out(5));
}

TEST_CASE("a live run that fails reports why, and its recording is incomplete") {
  for (const char* fault : {"lost", "all_send_first"}) {
    RunConfig config;
    config.fault = fault;
    ThreadedRun run(config);
    CHECK(run.failure() == "");
    run.open();
    REQUIRE(ends(run));
    CHECK(contains(run.failure(), "[ring] deadlock"));
    CHECK_FALSE(run.snapshot()->whole());
  }
}

TEST_CASE("a live run ends at once, wherever its devices wait") {
  const auto began = std::chrono::steady_clock::now();
  Random random(2);
  for (int trial = 0; trial < trials(60); ++trial) {
    RunConfig config = without_cost(random);
    if (random.below(2)) config.cost.link_latency_us = 600e6;  // messages take ten minutes
    ThreadedRun run(config);
    if (random.below(2)) run.stall(static_cast<int>(random.below(config.devices)), true);
    for (std::int64_t verb = random.below(6); verb > 0; --verb) {
      run.step();
      std::this_thread::sleep_for(std::chrono::microseconds(random.below(300)));
    }
    if (random.below(2)) run.open();
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(500)));
  }
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::minutes(2));
}

TEST_CASE("commands to a live run that is ending or over are safe") {
  Random random(3);
  for (int trial = 0; trial < trials(40); ++trial) {
    const RunConfig config = without_cost(random);
    ThreadedRun run(config);
    for (int more = 0; more < 3; more += !run.running()) {
      const int device = static_cast<int>(random.below(config.devices));
      run.step(device);
      run.slow_link(device, 1 + random.uniform());
      run.stall(device, true);
      run.stall(device, false);
      run.open();
      CHECK(run.snapshot()->broken().empty());
    }
    CHECK(run.snapshot()->whole());
  }
}
