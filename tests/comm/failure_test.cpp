// Tests of failure: if one device fails, all stop, the first error is reported, and no run hangs.

#include <doctest/doctest.h>

#include "reference/definition/parallel/cancellation.h"
#include "tests/support/counting_program.h"
#include "tests/support/error_message.h"
#include "tests/support/ring_run.h"
#include "tests/support/test_links.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// A link that throws before call number _call_ of _device_
template <class T>
LinkDecorator<T> failing(int device, int call) {
  return before_each_call<T>([=, calls = 0](int caller) mutable {
    if (caller == device && calls++ == call) throw std::runtime_error("the cable broke");
  });
}

// Calls check(devices, options) for one thread per device, lockstep, and two threads
template <class Check>
void for_many_rings(int most_devices, Check check) {
  for (int devices = 1; devices <= most_devices; ++devices)
    for (int threads : {0, 1, 2})
      for (bool overlap : {true, false}) {
        CAPTURE(devices);
        CAPTURE(threads);
        CAPTURE(overlap);
        RingOptions options;
        options.threads = threads, options.overlap = overlap;
        check(devices, options);
      }
}

// Calls body(local devices, first device) on each thread of a ring, and returns the error of the run
template <class Body>
std::string run_devices(int devices, int threads, Body body) {
  RunMonitor monitor(devices, threads);
  InProcessLink<double> inner(all_routes(ring_schedule, devices), Exchange::copy, monitor);
  std::vector<CountingProgram> programs = counting_programs(devices, false);
  std::vector<Recorder> silent(programs.size());
  return error_message([&] {
    run_on_threads(devices, threads, monitor, [&](int first, int last) {
      std::vector<Device<double>> local;
      for (int d = first; d < last; ++d) {
        const auto index = static_cast<std::size_t>(d);
        local.emplace_back(d, ring_schedule(d, devices), programs[index], inner, silent[index]);
        local.back().begin();
      }
      body(local, first);
    });
  });
}

using Devices = std::vector<Device<double>>;

}  // namespace

TEST_CASE("a device that fails at any step stops all, and its error is reported") {
  for_many_rings(5, [](int devices, const RingOptions& options) {
    for (bool has_results : {false, true})
      for (int device = 0; device < devices; ++device)
        for (int step = 0; step < devices; ++step) {
          const std::string broken =
              "device " + std::to_string(device) + " broke at step " + std::to_string(step);
          std::vector<CountingProgram> programs = counting_programs(devices, has_results);
          programs[static_cast<std::size_t>(device)].before_attend = [&](int now) {
            if (now == step) throw std::runtime_error(broken);
          };
          CHECK(error_message([&] { run_counting_programs(programs, options); }) == broken);
        }
  });
}

TEST_CASE("a run that is cancelled at any step ends, and says so") {
  for_many_rings(5, [](int devices, const RingOptions& options) {
    for (bool has_results : {false, true})
      for (int device = 0; device < devices; ++device)
        for (int step = 0; step < devices - 1; ++step) {
          Cancellation cancellation;
          const Cancellation::Scope scope(&cancellation);
          std::vector<CountingProgram> programs = counting_programs(devices, has_results);
          programs[static_cast<std::size_t>(device)].before_attend = [&](int now) {
            if (now == step) cancellation.request();
          };
          CHECK(error_message([&] { run_counting_programs(programs, options); }) == Cancelled().what());
        }
  });
}

TEST_CASE("a link that fails at any call of any device stops all, and its error is reported") {
  for_many_rings(4, [](int devices, const RingOptions& options) {
    // A hop takes a reserve, a send and a receive: P - 1 hops of the block, P hops of its result; a single device sends
    // nothing
    const int calls = devices == 1 ? 0 : 3 * (devices - 1) + 3 * devices;
    for (int device = 0; device < devices; ++device)
      for (int call = 0; call <= calls; ++call) {
        std::vector<CountingProgram> programs = counting_programs(devices, true);
        CHECK(error_message([&] {
                run_counting_programs(programs, options, failing<double>(device, call));
              }) == (call < calls ? "the cable broke" : ""));
      }
  });
}

TEST_CASE("ring attention throws the error of its link, forward and backward, and the next run succeeds") {
  Random random(1);
  for (int n = 0; n < trials(50); ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    RingOptions ring = random_options(random);
    ring.devices += 1;
    const auto broken = failing<double>(static_cast<int>(random.below(ring.devices)),
                                        static_cast<int>(random.below(3 * (ring.devices - 1))));
    const RingRun<double> expected(drawn, ring);
    CHECK(error_message([&] { ring_attention(drawn.problem(), ring, broken); }) == "the cable broke");
    CHECK(error_message([&] {
            ring_attention_vjp(drawn.problem(), expected.forward, drawn.cotangents(), ring, broken);
          }) == "the cable broke");
    CHECK(same_bits(RingRun<double>(drawn, ring), expected));
  }
}

TEST_CASE("if several devices fail, the first error is reported") {
  RunMonitor monitor(2, 2);
  monitor.fail(std::make_exception_ptr(std::runtime_error("first")));
  monitor.fail(std::make_exception_ptr(std::runtime_error("second")));
  CHECK(error_message([&] { monitor.rethrow_first_error(); }) == "first");

  for_many_rings(5, [](int devices, const RingOptions& options) {
    std::vector<CountingProgram> programs = counting_programs(devices, true);
    for (CountingProgram& program : programs)
      program.before_attend = [](int step) {
        if (step == 0) throw std::runtime_error("all at once");
      };
    CHECK(error_message([&] { run_counting_programs(programs, options); }) == "all at once");
  });
}

TEST_CASE("after a failure every wait ends at once") {
  RunMonitor monitor(1, 1);
  monitor.fail(std::make_exception_ptr(std::runtime_error("over")));
  auto lock = monitor.lock();
  const auto never = [] { return false; };
  CHECK_THROWS_AS(monitor.wait(lock, 0, never, "nothing"), RunStopped);
  CHECK_THROWS_AS(monitor.wait_external(lock, 0, never), RunStopped);
  CHECK_THROWS_AS(monitor.wait_until(lock, 0, WallClock::now() + std::chrono::seconds(60)), RunStopped);
}

TEST_CASE("an exception of any type is rethrown") {
  RunMonitor monitor(3, 3);
  CHECK_THROWS_AS(run_on_threads(3, 3, monitor,
                                 [](int first, int) {
                                   if (first == 1) throw 42;
                                 }),
                  int);
}

TEST_CASE("if all devices receive before they send, a deadlock is reported with the waits of the devices") {
  for (int devices = 2; devices <= 6; ++devices)
    for (int threads : {1, 2, devices}) {
      const std::string found = run_devices(devices, threads, [](Devices& local, int) {
        for (Device<double>& device : local) device.take_next(0);
      });
      CHECK(contains(found, "[ring] deadlock"));
      CHECK(contains(found, "device 0 waits for a message from device " + std::to_string(devices - 1)));
      CHECK(contains(found, "; look for a message that was never sent"));
    }
}

TEST_CASE("if all devices send twice before they receive, a deadlock is reported") {
  for (int threads : {1, 3}) {
    const std::string found = run_devices(3, threads, [](Devices& local, int) {
      for (int twice = 0; twice < 2; ++twice)
        for (Device<double>& device : local) device.send_on(0);
    });
    CHECK(contains(found, "device 0 waits for room in the slot of device 1"));
  }
}

TEST_CASE("if a device leaves the run early, a deadlock is reported") {
  const std::string found = run_devices(3, 3, [](Devices& local, int first) {
    if (first != 1) run_ring(std::span<Device<double>>(local), 3, true);
  });
  CHECK(contains(found, "device 0 waits for room in the slot of device 1"));
  CHECK(contains(found, "device 2 waits for a message from device 1"));
}
