// Tests of link decorators: a throttle and a gate change the timing of a run and not its result; a fault changes the
// result and never causes a crash or a hang.

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <future>

#include "reference/comm/decorators/step_gate.h"
#include "reference/comm/decorators/throttled_link.h"
#include "reference/faults/faulty_link.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/error_message.h"
#include "tests/support/four_devices.h"
#include "tests/support/ring_run.h"
#include "tests/support/test_links.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr CostModel late(double milliseconds) { return {.link_latency_us = 1e3 * milliseconds}; }

LinkDecorator<double> throttled(int devices, const CostModel& speed) {
  return [=](Link<double>& inner, RunMonitor& monitor) {
    return std::make_unique<ThrottledLink<double>>(inner, monitor, devices, speed);
  };
}

LinkDecorator<double> faulty(const LinkFault& fault) {
  return [=](Link<double>& inner, RunMonitor&) { return std::make_unique<FaultyLink<double>>(inner, fault); };
}

template <class Run>
WallClock::duration duration_of(Run run) {
  const auto began = WallClock::now();
  run();
  return WallClock::now() - began;
}

}  // namespace

// ---- ThrottledLink ---------------------------------------------------------------

TEST_CASE("a slow link does not change a bit of the result") {
  Random random(2);
  for (int n = 0; n < trials(30); ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const RingOptions ring = random_options(random);
    const CostModel speed{.link_gbps = 0.1 + random.uniform(), .link_latency_us = 100 * random.uniform()};
    CHECK(same_bits(RingRun<double>(drawn, ring, throttled(ring.devices, speed)),
                    RingRun<double>(drawn, ring)));
  }
}

TEST_CASE("a message takes the latency plus its bytes over the bandwidth") {
  const RandomProblem<double> drawn = small_problem();
  const std::int64_t bytes = (drawn.K.bytes() + drawn.V.bytes()) / 4;
  const CostModel narrow{.link_gbps = 8.0 * static_cast<double>(bytes) / 10e6};
  for (const CostModel& speed : {late(10), narrow})
    for (int threads : {0, 1}) {
      // A block makes three hops, of 10 ms each
      const RingOptions ring = four_devices(Rotation::kv, threads);
      CHECK(duration_of([&] { ring_attention(drawn.problem(), ring, throttled(4, speed)); }) >=
            Milliseconds(30));
    }
}

TEST_CASE("the speed of a link can be changed during a run") {
  const RandomProblem<double> drawn = small_problem();
  // In lockstep device 0 is the first to use its link: change the speed of all links then
  const auto changing = [](const CostModel& before, const CostModel& after) -> LinkDecorator<double> {
    return [=](Link<double>& inner, RunMonitor& monitor) {
      const auto throttle = std::make_shared<ThrottledLink<double>>(inner, monitor, 4, before);
      return std::make_unique<HookedLink<double>>(*throttle, [=](int) {
        for (int device = 0; device < 4; ++device) throttle->set_speed(device, after);
      });
    };
  };
  const auto run = [&](const LinkDecorator<double>& links) {
    return duration_of([&] { ring_attention(drawn.problem(), four_devices(Rotation::kv, 1), links); });
  };
  CHECK(run(changing(late(0), late(10))) >= Milliseconds(30));
  CHECK(run(changing(late(60'000), late(0))) < Milliseconds(60'000));
}

TEST_CASE("a failure ends the wait for a delayed message, and senders do not wait for the delay") {
  const RandomProblem<double> drawn = small_problem();
  // Device 0 fails at its first receive, while the others wait for messages with a delay of a minute
  const LinkDecorator<double> links = [](Link<double>& inner, RunMonitor& monitor) {
    const auto throttle = std::make_shared<ThrottledLink<double>>(inner, monitor, 4, late(60'000));
    return std::make_unique<HookedLink<double>>(*throttle, [throttle, calls = 0](int device) mutable {
      if (device == 0 && calls++ == 2) throw std::runtime_error("the cable broke");
    });
  };
  std::string found;
  const auto duration = duration_of(
      [&] { found = error_message([&] { ring_attention(drawn.problem(), four_devices(), links); }); });
  CHECK(found == "the cable broke");
  CHECK(duration < Milliseconds(60'000));
}

// ---- StepGate -------------------------------------------------------------------

namespace {

// A run of four devices with one thread each, behind a closed gate.
class GatedRun {
 public:
  GatedRun()
      : run_(std::async(std::launch::async,
                        [this] { return ring_attention(drawn_.problem(), four_devices(), links()); })),
        gate_(*created_.get_future().get()) {}

  // Open the gate if the test has failed, so that the run ends
  ~GatedRun() {
    if (!run_.valid() || run_.wait_for(Milliseconds(0)) == std::future_status::ready) return;
    for (int device = 0; device < 4; ++device) gate_.stall(device, false);
    gate_.open();
  }

  StepGate<double>& gate() { return gate_; }

  // Whether the devices make exactly this many calls, by device, and then stop
  bool stops_at(const std::array<int, 4>& calls) {
    const auto limit = WallClock::now() + std::chrono::seconds(10);
    while (calls_ != calls && WallClock::now() < limit) std::this_thread::yield();
    return run_.wait_for(Milliseconds(5)) == std::future_status::timeout && calls_ == calls;
  }

  // Waits for the end of the run; whether its result and its number of calls are right
  bool ends_correctly() {
    const bool right = same_bits(run_.get(), ring_attention(drawn_.problem(), four_devices()));
    return right && calls_ == std::array<int, 4>{9, 9, 9, 9};  // three hops of three calls each
  }

 private:
  struct Counts {
    std::array<std::atomic<int>, 4> of{};
    bool operator==(const std::array<int, 4>& calls) const {
      return std::equal(of.begin(), of.end(), calls.begin());
    }
  };

  LinkDecorator<double> links() {
    return [this](Link<double>& inner, RunMonitor& monitor) {
      const auto count = [this](int device) { ++calls_.of[static_cast<std::size_t>(device)]; };
      const auto counting = std::make_shared<HookedLink<double>>(inner, count);
      const auto gated = std::make_shared<StepGate<double>>(*counting, monitor, 4);
      created_.set_value(gated.get());
      return std::make_unique<HookedLink<double>>(*gated, [counting, gated](int) {});
    };
  }

  RandomProblem<double> drawn_ = small_problem();
  Counts calls_;
  std::promise<StepGate<double>*> created_;
  std::future<AttentionOutput<double>> run_;
  StepGate<double>& gate_;
};

}  // namespace

TEST_CASE("a gated run makes only the calls that are released, and computes the same bits") {
  GatedRun run;
  REQUIRE(run.stops_at({0, 0, 0, 0}));
  run.gate().release(2);
  REQUIRE(run.stops_at({0, 0, 1, 0}));
  for (int device = 0; device < 4; ++device) run.gate().release(device, 2);  // a reserve and a send
  REQUIRE(run.stops_at({2, 2, 3, 2}));
  run.gate().open();
  CHECK(run.ends_correctly());
}

TEST_CASE("repeated permits for the next call of a device release it only once") {
  GatedRun run;
  run.gate().release(1, 2);
  REQUIRE(run.stops_at({0, 2, 0, 0}));
  // Device 1 may receive, and waits for device 0; then one more call is permitted
  for (int n = 0; n < 5; ++n) run.gate().release_next(1);
  REQUIRE(run.stops_at({0, 3, 0, 0}));
  for (int n = 0; n < 5; ++n) run.gate().release_next(1);
  run.gate().release(2, 3);
  run.gate().release(0, 2);
  REQUIRE(run.stops_at({2, 4, 3, 0}));
  run.gate().open();
  CHECK(run.ends_correctly());
}

TEST_CASE("a stalled device makes no call, the others wait for it, and the result is right") {
  GatedRun run;
  run.gate().stall(2, true);
  run.gate().open();
  run.gate().release(2, 10);
  // Device 3 waits for the block of 2, device 1 for the slot of 2, and device 0 for the next block of 3
  REQUIRE(run.stops_at({6, 4, 0, 3}));
  run.gate().stall(2, false);
  CHECK(run.ends_correctly());
}

TEST_CASE("in lockstep the gate of one device blocks all devices") {
  const RandomProblem<double> drawn = small_problem();
  std::promise<StepGate<double>*> created;
  const RingOptions lockstep = four_devices(Rotation::q, 1);
  std::future<AttentionOutput<double>> run = std::async(std::launch::async, [&] {
    return ring_attention<double>(drawn.problem(), lockstep, [&](Link<double>& inner, RunMonitor& monitor) {
      auto gated = std::make_unique<StepGate<double>>(inner, monitor, 4);
      created.set_value(gated.get());
      return gated;
    });
  });
  StepGate<double>& gate = *created.get_future().get();
  for (int device : {0, 1, 3}) gate.release(device, 1000);
  CHECK(run.wait_for(Milliseconds(5)) == std::future_status::timeout);
  gate.open();
  CHECK(same_bits(run.get(), ring_attention(drawn.problem(), lockstep)));
}

// ---- FaultyLink ------------------------------------------------------------------

TEST_CASE("a stale, torn or repeated message makes the result wrong") {
  const RandomProblem<double> drawn = small_problem();
  const GroundTruth truth(drawn);
  for (LinkFaultKind kind : {LinkFaultKind::stale, LinkFaultKind::torn, LinkFaultKind::twice})
    for (Rotation rotate : all_rotations)
      for (int threads : {0, 1, 2})
        for (int device = 0; device < 4; ++device) {
          CAPTURE(static_cast<int>(kind));
          CAPTURE(device);
          const RingOptions ring = four_devices(rotate, threads);
          const LinkDecorator<double> links = faulty({kind, device, 1});
          CAPTURE(describe(ring));
          CHECK(worst_error(ring_attention(drawn.problem(), ring, links), truth) > 1e-3);
          CHECK(
              worst_error(ring_attention_vjp(drawn.problem(), truth.forward, drawn.cotangents(), ring, links),
                          truth) > 1e-3);
        }
}

TEST_CASE(
    "a run with any fault of communication ends with a result or an error, never in a crash or a hang") {
  Random random(3);
  for (int n = 0; n < trials(150); ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const RingOptions ring = random_options(random, 6);
    const LinkFault fault{static_cast<LinkFaultKind>(random.below(5)),
                          static_cast<int>(random.below(ring.devices)),
                          static_cast<int>(random.below(ring.devices))};
    CAPTURE(drawn.describe());
    CAPTURE(describe(ring));
    CAPTURE(static_cast<int>(fault.kind));
    const std::string found = error_message([&] { RingRun<double>(drawn, ring, faulty(fault)); });
    CHECK((found.empty() || contains(found, "[ring]")));
  }
}

TEST_CASE("a lost message is reported as a deadlock that names the device that waits for it") {
  const RandomProblem<double> drawn = small_problem();
  for (Rotation rotate : all_rotations)
    for (int threads : {0, 1, 2})
      for (int device = 0; device < 4; ++device) {
        const std::string found = error_message([&] {
          ring_attention(drawn.problem(), four_devices(rotate, threads),
                         faulty({LinkFaultKind::lost, device, 1}));
        });
        CHECK(contains(found, "[ring] deadlock"));
        CHECK(contains(found, "a message from device"));
      }
}

TEST_CASE("sends that block until they are received are reported as a deadlock") {
  const RandomProblem<double> drawn = small_problem();
  for (Rotation rotate : all_rotations)
    for (int threads : {0, 1, 2}) {
      const std::string found = error_message([&] {
        ring_attention(drawn.problem(), four_devices(rotate, threads),
                       faulty({LinkFaultKind::all_send_first}));
      });
      CHECK(contains(found, "[ring] deadlock"));
      CHECK(contains(found, "device 0 waits for room in the slot of device 1"));
    }
}

TEST_CASE("on one device no block is sent, so faults have no effect") {
  const RandomProblem<double> drawn = small_problem();
  for (LinkFaultKind kind : {LinkFaultKind::stale, LinkFaultKind::torn, LinkFaultKind::lost,
                             LinkFaultKind::twice, LinkFaultKind::all_send_first})
    CHECK(same_bits(ring_attention(drawn.problem(), {}, faulty({kind, 0, 0})),
                    ring_attention(drawn.problem(), {})));
}
