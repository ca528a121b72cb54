#include <doctest/doctest.h>

#include "reference/definition/random.h"
#include "reference/planner/plan.h"
#include "reference/planner/plan_options.h"
#include "reference/planner/plan_timeline.h"
#include "reference/planner/plan_trace.h"
#include "reference/planner/strategy/balance.h"
#include "reference/trace/check/checker.h"
#include "reference/trace/summary.h"
#include "tests/support/error_message.h"

using namespace ringattn;
using namespace ringattn::planner;

namespace {

PlanOptions training(const std::string& seq, int nodes) {
  PlanOptions o;
  o.seq = seq, o.nodes = nodes, o.causal = true, o.training = true;
  return o;
}

const MemoryTerm& term(const MemoryTerms& memory, const std::string& name) {
  for (const MemoryTerm& each : memory.terms)
    if (each.name == name) return each;
  FAIL("no term " << name);
  return memory.terms.front();
}

void expect_refused(const std::string& part, PlanOptions o) {
  const std::string message = error_message([&] { make_plan(o.request()); });
  CAPTURE(message);
  CHECK(contains(message, part));
}

}  // namespace

TEST_CASE("the longest context fits, and one token more does not") {
  for (const PlannedStrategy& strategy :
       std::initializer_list<PlannedStrategy>{Strategy::ring, Strategy::all_gather, Strategy::usp}) {
    // The largest shard grows by a row every 21 tokens
    PlanOptions o = training("64K", 3);
    o.devices_per_node = 7, o.ulysses = 7, o.heads = 56;
    PlanRequest r = o.request();
    r.seq = longest_context(r, strategy);
    CAPTURE(r.seq);
    CHECK(memory_terms(r, strategy).fits());
    r.seq += 1;
    CHECK_FALSE(memory_terms(r, strategy).fits());
  }
}

TEST_CASE("the memory of a device that holds sequence and weights falls with the number of devices") {
  const PlanRequest few = training("256K", 2).request(), many = training("256K", 8).request();
  for (const char* name : {"weights", "gradients", "optimizer", "checkpoints", "logits", "layer"})
    CHECK(term(memory_terms(few, Strategy::ring), name).bytes ==
          doctest::Approx(4 * term(memory_terms(many, Strategy::ring), name).bytes));
}

TEST_CASE("weights, gradients and Adam take 16 bytes for each parameter") {
  const PlanRequest r = training("64K", 1).request();
  const MemoryTerms memory = memory_terms(r, Strategy::ring);
  CHECK(8 * (term(memory, "weights").bytes + term(memory, "gradients").bytes +
             term(memory, "optimizer").bytes) ==
        doctest::Approx(16 * r.model.parameters()));
}

TEST_CASE(
    "the K/V cache is divided by the sequence shards, and by the K/V heads that tensor parallelism can "
    "divide") {
  PlanOptions o;
  o.seq = "128K", o.causal = true, o.nodes = 4;
  const auto cache = [&](int tensor_parallel) {
    o.tensor_parallel = tensor_parallel;
    return term(memory_terms(o.request(), Strategy::ring), "K/V cache").bytes;
  };
  // 32 layers x 131072 tokens x 8 heads x 2 x 128 x 2 bytes over 32 devices
  CHECK(cache(1) == 32.0 * 131072 * 8 * 2 * 128 * 2 / 32);
  CHECK(cache(8) == cache(1));
  o.kv_heads = 2;
  CHECK(cache(2) == cache(1));
  CHECK(cache(8) == 4 * cache(1));
}

TEST_CASE(
    "a plan that does not fit names a change with which it fits, the loss in chunks before more nodes") {
  const Plan plan = make_plan(training("1M", 2).request());
  CHECK_FALSE(plan.chosen().memory.fits());
  REQUIRE(plan.change.has_value());
  CHECK(contains(plan.change->description, "--chunked-loss"));
  CHECK(plan.change->result.memory.fits());
  PlanOptions chunked = training("4M", 2);
  chunked.chunked_loss = true;
  const Plan more = make_plan(chunked.request());
  REQUIRE(more.change.has_value());
  CHECK(contains(more.change->description, "nodes"));
  CHECK(more.change->result.memory.fits());
}

TEST_CASE("a plan with exposed messages names a faster strategy, or a link with which they are hidden") {
  PlanOptions o = training("128K", 4);
  o.strategy = "ring", o.link = "100Gb/s";
  const Plan ring = make_plan(o.request());
  CHECK_FALSE(ring.chosen().hidden());
  REQUIRE(ring.change.has_value());
  CHECK(ring.change->description == "the strategy " + name(ring.change->result.strategy));
  CHECK(ring.change->result.seconds < 0.95 * ring.chosen().seconds);

  o.strategy = "all";
  const Plan all = make_plan(o.request());
  CHECK_FALSE(all.chosen().hidden());
  REQUIRE(all.change.has_value());
  CHECK(contains(all.change->description, "a network of"));
  CHECK(all.change->result.hidden());

  o.link = "800Gb/s", o.seq = "8M", o.nodes = 8, o.chunked_loss = true;
  CHECK_FALSE(make_plan(o.request()).change.has_value());
}

TEST_CASE(
    "a causal plan with contiguous shards is advised to balance them, which saves as much as the limit "
    "allows") {
  PlanOptions o;
  o.seq = "256K", o.causal = true, o.layout = "contiguous", o.strategy = "ring";
  const Plan plan = make_plan(o.request());
  REQUIRE(plan.change.has_value());
  CHECK(contains(plan.change->description, "--layout zigzag"));
  const double gain = plan.chosen().seconds / plan.change->result.seconds,
               limit = balance_speedup(plan.request.model, 8, 256 * 1024 / 8.0, 1);
  CHECK(gain == doctest::Approx(limit).epsilon(0.01));
}

TEST_CASE("the search for a change refuses no request that can be planned, and its change reaches its aim") {
  Random random(14);
  const auto pick = [&](const auto& list) {
    return list[static_cast<std::size_t>(random.below(std::ssize(list)))];
  };
  int changes = 0;
  for (int trial = 0; trial < 200; ++trial) {
    PlanOptions o;
    o.model = pick(models()).name, o.chip = pick(chips()).name, o.strategy = pick(planned_strategy_names());
    o.seq = pick(std::vector<std::string>{"4K", "64K", "1M", "16M"}),
    o.link = pick(std::vector<std::string>{"eth10", "ib400"});
    o.nodes = 1 + random.below(5), o.devices_per_node = pick(std::vector<Index>{1, 2, 3, 8});
    o.training = random.below(2) == 0, o.causal = random.below(2) == 0, o.overlap = random.below(3) > 0;
    // Heads in groups that a node does not divide
    if (random.below(3) == 0) o.heads = 24, o.kv_heads = 3;
    CAPTURE(o.model);
    CAPTURE(o.strategy);
    const PlanRequest request = o.request();
    if (!plan_strategies(request).chosen().possible()) continue;
    const Plan plan = make_plan(request);
    if (!plan.change) continue;
    ++changes;
    CHECK(plan.change->result.memory.fits());
    if (plan.chosen().memory.fits()) CHECK(plan.change->result.seconds < plan.chosen().seconds);
  }
  CHECK(changes > 20);
}

TEST_CASE("the chosen strategy is the fastest of those that fit") {
  for (const char* seq : {"8K", "64K", "512K", "1M"}) {
    const Plan plan = make_plan(training(seq, 4).request());
    REQUIRE(plan.chosen().memory.fits());
    for (const StrategyPlan& p : plan.strategies)
      if (p.possible() && p.memory.fits()) CHECK(plan.chosen().seconds <= p.seconds);
  }
}

TEST_CASE("a slow network exposes the ring, and costs energy because chips wait rather than for its bits") {
  PlanOptions o = training("128K", 4);
  o.strategy = "ring";
  const StrategyPlan fast = make_plan(o.request()).chosen();
  o.link = "10Gb/s";
  const StrategyPlan slow = make_plan(o.request()).chosen();
  CHECK(slow.seconds > 5 * fast.seconds);
  CHECK(slow.energy->link_bits == fast.energy->link_bits);
  CHECK(slow.energy->busy == doctest::Approx(fast.energy->busy));
  CHECK(slow.energy->waiting > slow.energy->busy);
  CHECK(slow.energy->waiting > 100 * slow.energy->link_bits);
}

TEST_CASE("arithmetic alone reaches the efficiency of the chip, so MFU is never above it") {
  PlanOptions o;
  o.seq = "32K", o.causal = true;
  for (const double efficiency : {0.3, 1.0}) {
    o.chip_efficiency = efficiency;
    for (const StrategyPlan& p : plan_strategies(o.request()).strategies)
      if (p.possible()) CHECK(p.mfu <= efficiency * (1 + 1e-9));
  }
}

TEST_CASE("few new tokens behind many cached ones are planned for a tree, too") {
  PlanOptions o;
  o.seq = "1M", o.new_tokens = "16", o.causal = true, o.nodes = 4, o.strategy = "tree";
  const StrategyPlan tree = make_plan(o.request()).chosen();
  o.strategy = "ring";
  CHECK(tree.seconds < make_plan(o.request()).chosen().seconds);
}

TEST_CASE("a planned trace obeys the invariants of a run, and takes the planned time of a layer") {
  for (const bool training_step : {false, true})
    for (const PlannedStrategy& strategy : planned_strategies) {
      PlanOptions o = training("24K", 3);
      o.training = training_step, o.devices_per_node = 2;
      const PlanRequest request = o.request();
      const AttentionWork work = request.attention_work();
      if (!limit(strategy, work.shape, work.machine.group, training_step).empty()) continue;
      if (training_step && strategy == burst) continue;
      CAPTURE(name(strategy));
      const PlannedTrace trace = planned_trace(request, strategy);
      const std::vector<std::string> violations = broken_invariants(trace.header, trace.events);
      CAPTURE(violations.empty() ? "" : violations.front());
      CHECK(violations.empty());
      Summary summary(request.ring_devices());
      double end = 0, peak = 0;
      for (const Event& event : trace.events) {
        summary.write(event);
        if (event.kind == EventKind::run) end = std::max(end, event.t);
      }
      for (const DeviceSummary& device : summary.devices())
        peak = std::max(peak, static_cast<double>(device.peak_bytes));
      const StrategyCost layer = strategy_cost(strategy, work);
      CHECK(peak == layer.peak_bytes());
      // Devices do not wait for each other between the passes
      CHECK(1e-9 * end <= layer.seconds() * (1 + 1e-9));
      CHECK(1e-9 * end >= 0.9 * layer.seconds());
    }
}

TEST_CASE("a timeline takes the time of its pass, and its device waits for exposed messages alone") {
  for (const auto& [nodes, strategy] : std::initializer_list<std::pair<int, const char*>>{
           {1, "ring"}, {3, "ring"}, {2, "usp"}, {2, "all-gather"}, {1, "ring-q"}, {2, "bidirectional"}}) {
    CAPTURE(strategy);
    PlanOptions o = training("48K", nodes);
    o.strategy = strategy;
    const Plan plan = make_plan(o.request());
    const std::vector<PassTimeline> passes = timelines(plan);
    REQUIRE(passes.size() == 2);
    const StrategyCost& layer = plan.chosen().layer;
    for (const PassTimeline& t : passes) {
      const PassCost& cost = t.pass == "forward" ? layer.forward : *layer.backward;
      CHECK(t.seconds == doctest::Approx(cost.seconds));
      CHECK(t.messages.size() > 0);

      // The spans follow each other; zigzag shards of 48K tokens give all devices the same pairs
      double busy = 0, last = 0;
      for (const auto& [begin, end] : t.arithmetic) {
        CHECK(begin >= last);
        busy += end - begin, last = end;
      }
      CHECK(last <= t.seconds);
      CHECK(busy == doctest::Approx(cost.busy_seconds / plan.request.ring_devices()));
      CHECK(t.seconds - busy == doctest::Approx(cost.exposed_seconds).epsilon(1e-6));
    }
  }
  CHECK(timelines(make_plan(training("256K", 17).request())).empty());
}

TEST_CASE("a trace in which other tensors rotate backward than forward, or of a long ring, is refused") {
  const auto refusal = [](const PlannedStrategy& strategy, int nodes) {
    return error_message([&] { planned_trace(training("64K", nodes).request(), strategy); });
  };
  CHECK(contains(refusal(burst, 2), "found burst; give --strategy ring"));
  CHECK(contains(refusal(Strategy::ring, 17), "at most 128 devices in the ring; found 136"));
}

TEST_CASE("a number of tokens may be counted in K and M, and the rate of a link needs bytes or bits") {
  CHECK(parse_token_count("131072") == 131072);
  CHECK(parse_token_count("128K") == 131072);
  CHECK(parse_token_count("1M") == 1048576);
  for (const char* bad : {"", "0", "-1", "1.5", "1G", "1k", "K", "1M ", "2000000M", "99999999999999999999"})
    CHECK_THROWS_AS(parse_token_count(bad), BadInput);
  CHECK(link_named("400Gb/s").rate.bytes_per_second() == link_named("50GB/s").rate.bytes_per_second());
  CHECK(link_named("400Gb/s").rate.gigabits_per_second() == 400);
  for (const char* bad :
       {"", "400", "400G", "400gb/s", "-1GB/s", "0GB/s", "nanGB/s", "infGb/s", "1e9GB/s", "GB/s", "nvlink"})
    CHECK_THROWS_AS(link_named(bad), BadInput);
}

TEST_CASE("requests that contradict themselves are refused with the rule, the value and the remedy") {
  const auto with = [](const auto& change) {
    PlanOptions o;
    change(o);
    return o;
  };
  expect_refused("the model must be", with([](PlanOptions& o) { o.model = "8b"; }));
  expect_refused("the chip must be", with([](PlanOptions& o) { o.chip = "h101"; }));
  expect_refused("the strategy must be", with([](PlanOptions& o) { o.strategy = "star"; }));
  expect_refused("must divide the devices of a node", with([](PlanOptions& o) { o.tensor_parallel = 3; }));
  expect_refused("a multiple of the K/V heads", with([](PlanOptions& o) { o.kv_heads = 5; }));
  expect_refused("a ring has 1 to 1024 devices", with([](PlanOptions& o) { o.nodes = 129; }));
  expect_refused("at most 2^20 devices", with([](PlanOptions& o) { o.nodes = 1 << 24; }));
  expect_refused("at most 2^40", with([](PlanOptions& o) { o.seq = "1048576M", o.batch = 2; }));
  expect_refused("a part of the sequence", with([](PlanOptions& o) { o.seq = "8K", o.new_tokens = "9K"; }));
  expect_refused("training has no cached tokens",
                 with([](PlanOptions& o) { o.training = true, o.new_tokens = "1K"; }));
  expect_refused("an efficiency is above 0", with([](PlanOptions& o) { o.link_efficiency = 0; }));
  expect_refused("power usage effectiveness", with([](PlanOptions& o) { o.pue = 0.5; }));
  expect_refused("the TFLOP/s of the chip", with([](PlanOptions& o) { o.chip_tflops = 0; }));
  expect_refused("at most 8 bytes", with([](PlanOptions& o) { o.weight_bytes = 9; }));
}

TEST_CASE("a strategy that the heads or devices do not allow says why, and is refused alone") {
  PlanOptions o;
  o.strategy = "double-ring";
  expect_refused("it needs several nodes", o);
  o.strategy = "ulysses", o.nodes = 8;
  expect_refused("32 heads and 8 K/V heads cannot be split over 64 devices", o);
  o.strategy = "tree";
  expect_refused("few new tokens", o);
}

TEST_CASE("the largest requests are planned without overflow, and larger ones are refused") {
  PlanOptions o;
  o.model = "175b", o.heads = o.kv_heads = 1 << 12, o.dim = 1, o.layers = 1 << 24, o.width = 1 << 24;
  o.seq = "1", o.batch = Index{1} << 40, o.nodes = 16;
  const Plan plan = plan_strategies(o.request());
  CHECK(plan.chosen().seconds > 0);
  CHECK(std::isfinite(plan.chosen().seconds));
  CHECK_FALSE(plan.chosen().memory.fits());
  CHECK(plan.chosen().longest_context == 0);
  o.dim = 2;
  expect_refused("at most 2^52 elements of Q", o);
  o.batch = 1, o.seq = "32M";
  CHECK_NOTHROW(o.request());
  o.seq = "64M";
  expect_refused("at most 2^62 pairs", o);
}
