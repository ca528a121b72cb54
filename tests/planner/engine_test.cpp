// Tests that a plan has the events of a lockstep run of the engine: messages, memory, arithmetic, and their times.

#include <doctest/doctest.h>

#include <numeric>

#include "reference/planner/strategy/planned_pass.h"
#include "reference/trace/summary.h"
#include "reference/trace/trace_store.h"
#include "tests/strategies/strategy_run.h"
#include "tests/support/trials.h"

using namespace ringattn;
using namespace ringattn::planner;

namespace {

// A problem, and the machine and the strategy that compute it
struct EngineRun {
  RandomProblem<double> drawn;
  PlannedStrategy strategy;
  Group group;
  Layout layout = Layout::contiguous;
  CostModel cost = {};
  bool overlap = true;

  LayerAttention layer() const {
    const Extents e = drawn.extents();
    return {.shape = {e.B, e.Sq, e.Skv, e.Hq, e.Hkv, e.D, e.Dv, drawn.scoring.mask},
            .bytes = ElementBytes::of<double>(),
            .position_bytes = sizeof(RowPosition),
            .layout = layout,
            .group = group};
  }
  StrategyOptions options(bool backward, Recorders* recorders) const {
    StrategyOptions engine = engine_options(strategy, group);
    engine.ring.layout = layout, engine.ring.overlap = overlap, engine.ring.threads = 1;
    engine.ring.rotate = strategy.rotation(backward), engine.ring.recorders = recorders;
    return engine;
  }
  std::string describe() const {
    return drawn.describe() + ", " + planner::name(strategy) + ", " +
           ringattn::describe(options(false, nullptr)) + ", nodes of " +
           std::to_string(cost.devices_per_node) + ", two ways " + std::to_string(cost.two_way_devices);
  }
};

Index random_divisor(Random& random, Index n) {
  for (;;)
    if (const Index d = 1 + random.below(n); n % d == 0) return d;
}

// Heads that the strategy can distribute; several devices of a group may share a K/V head
void draw_heads(Random& random, const EngineRun& run, Extents& e) {
  const StrategyOptions options = engine_options(run.strategy, run.group);
  const Index u = options.strategy == Strategy::double_ring ? 1 : group_size(options);
  e.Hkv = u > 1 && random.below(2) ? random_divisor(random, u) : u * (2 + random.below(2));
  e.Hq = std::lcm(e.Hkv, u) * (1 + random.below(2));
}

// Transfers from far below to far above the arithmetic of a step, with and without latency, on one link or on several
CostModel random_cost(Random& random, int devices) {
  const auto rate = [&] {
    return random.below(4) == 0 ? 0 : 0.3 * static_cast<double>(Index{1} << random.below(12));
  };
  CostModel cost{.ns_per_pair = 0.7, .link_gbps = rate()};
  cost.link_latency_us = random.below(2) == 0 ? 0 : 0.1 * static_cast<double>(random.below(9));
  if (random.below(2)) {
    cost.devices_per_node = static_cast<int>(random_divisor(random, devices));
    cost.network_gbps = rate(), cost.network_latency_us = 0.3;
  }
  if (random.below(3) == 0) cost.two_way_devices = devices;
  return cost;
}

EngineRun random_run(Random& random, const PlannedStrategy& strategy) {
  constexpr int counts[] = {1, 2, 3, 5, 8, 16};
  const int devices = counts[random.below(6)], per_node = static_cast<int>(random_divisor(random, devices));
  EngineRun run{{}, strategy, {devices / per_node, per_node, per_node}};
  // Some devices may have no rows
  Extents e{.B = 1 + random.below(2), .Sq = 1 + random.below(50), .Skv = 1 + random.below(50)};
  e.D = 1 + random.below(7), e.Dv = 1 + random.below(9);
  draw_heads(random, run, e);
  run.drawn = normal_problem(random, e);
  Mask& mask = run.drawn.scoring.mask;
  mask.causal = random.below(2) == 0;
  if (random.below(3) == 0) mask.window_left = random.below(20);
  if (random.below(3) == 0) mask.window_right = random.below(20);
  run.layout = all_layouts[static_cast<std::size_t>(random.below(3))];
  run.cost = random_cost(random, devices);
  run.overlap = random.below(2) == 0;
  return run;
}

// The events of a pass, and the virtual time at which each device was done
struct Observed {
  std::vector<Event> events;
  std::vector<double> ends;

  template <class Pass>
  Observed(const EngineRun& run, const Pass& pass) {
    TraceStore store(run.group.devices());
    Recorders recorders = make_recorders(store, run.group.devices(), run.cost);
    pass(recorders);
    events = store.events();
    for (const Recorder& recorder : recorders) ends.push_back(recorder.now());
  }
};

template <class Pass>
Observed observe_engine(const EngineRun& run, bool backward, const Pass& pass) {
  return {run, [&](Recorders& recorders) {
            InProcessTransport<double> transport(run.group.devices(), 1, Exchange::copy);
            pass(run.options(backward, &recorders), transport);
          }};
}

// Whether two events are equal in all but wall times
bool same_but_wall_time(const Event& a, const Event& b) {
  return a.id == b.id && a.kind == b.kind && a.phase == b.phase && a.lane == b.lane && a.step == b.step &&
         a.t == b.t && a.cause == b.cause && a.peer == b.peer && a.owner == b.owner && a.what == b.what &&
         a.why == b.why && a.mask_class == b.mask_class && a.bytes == b.bytes &&
         a.transfer_t == b.transfer_t && a.exposed_t == b.exposed_t && a.live_pairs == b.live_pairs;
}

void compare_events(const std::vector<Event>& engine, const std::vector<Event>& planned) {
  REQUIRE(planned.size() == engine.size());
  for (std::size_t i = 0; i < engine.size(); ++i)
    if (!same_but_wall_time(planned[i], engine[i])) {
      FAIL_CHECK("event " << i << " of " << engine.size() << ", device " << engine[i].id.device << " step "
                          << engine[i].step << " " << engine[i].what << ": " << engine[i].bytes
                          << " bytes at " << engine[i].t << " ns; planned " << planned[i].what << ": "
                          << planned[i].bytes << " bytes at " << planned[i].t << " ns");
      return;
    }
}

void compare(const EngineRun& run, bool backward, const Observed& engine) {
  const PlannedPass pass(run.strategy, backward, run.layer());
  compare_events(engine.events, Observed(run, [&](Recorders& recorders) {
                                  pass.run(run.cost, run.overlap, recorders);
                                }).events);

  // Without a sink: the same clocks, and the sums of the events
  const int devices = run.group.devices();
  Recorders clocks;
  for (int device = 0; device < devices; ++device) clocks.emplace_back(device, run.cost);
  const std::vector<Sent> sent = pass.run(run.cost, run.overlap, clocks);
  Summary summary(devices);
  std::vector<Sent> counted(sent.size());
  for (const Event& event : engine.events) {
    summary.write(event);
    if (event.kind != EventKind::send || event.phase != EventPhase::begin) continue;
    Sent& by = counted[static_cast<std::size_t>(event.id.device)];
    const int w = run.cost.devices_per_node;
    const bool network = w > 0 && event.id.device / w != event.peer / w;
    ++by.messages, (network ? by.network_bytes : by.node_bytes) += event.bytes;
  }
  std::int64_t peak = 0;
  for (const DeviceSummary& device : summary.devices()) peak = std::max(peak, device.peak_bytes);
  CHECK(pass.peak_bytes() == peak);
  for (std::size_t d = 0; d < sent.size(); ++d) {
    CAPTURE(d);
    CHECK(clocks[d].now() == engine.ends[d]);
    CHECK(sent[d].messages == counted[d].messages);
    CHECK(sent[d].node_bytes == counted[d].node_bytes);
    CHECK(sent[d].network_bytes == counted[d].network_bytes);
  }
}

}  // namespace

TEST_CASE(
    "the plan of every strategy has the bytes, messages, peak memory, times and events of a lockstep run, "
    "forward and backward") {
  Random random(11);
  for (int trial = 0; trial < trials(12); ++trial)
    for (const PlannedStrategy& strategy : planned_strategies) {
      const EngineRun run = random_run(random, strategy);
      CAPTURE(run.describe());
      AttentionOutput<double> forward;
      compare(run, false,
              observe_engine(run, false, [&](const StrategyOptions& options, Transport<double>& transport) {
                forward = distributed_attention(run.drawn.problem(), options, transport);
              }));
      if (strategy == Strategy::tree) continue;
      compare(run, true,
              observe_engine(run, true, [&](const StrategyOptions& options, Transport<double>& transport) {
                distributed_attention_vjp(run.drawn.problem(), forward, run.drawn.cotangents(), options,
                                          transport);
              }));
    }
}

TEST_CASE("a planned ring of 1000 devices sends, holds and takes what 1000 devices in lockstep do") {
  Random random(12);
  EngineRun run{normal_problem(random, {.B = 1, .Sq = 1009, .Skv = 1013, .Hq = 2, .Hkv = 1, .D = 3, .Dv = 2}),
                Strategy::ring,
                {1, 1000, 1}};
  run.drawn.scoring.mask.causal = true;
  run.layout = Layout::zigzag;
  run.cost = {.ns_per_pair = 1, .link_gbps = 7, .link_latency_us = 0.03};
  Summary summary(1000);
  Recorders recorders = make_recorders(summary, 1000, run.cost);
  InProcessTransport<double> transport(1000, 1, Exchange::copy);
  distributed_attention(run.drawn.problem(), run.options(false, &recorders), transport);

  const PlannedPass pass(run.strategy, false, run.layer());
  Recorders clocks;
  for (int device = 0; device < 1000; ++device) clocks.emplace_back(device, run.cost);
  const std::vector<Sent> sent = pass.run(run.cost, run.overlap, clocks);
  const std::vector<DeviceSummary> devices = summary.devices();
  int equal = 0;
  std::int64_t peak = 0;
  for (std::size_t d = 0; d < devices.size(); ++d) {
    equal += sent[d].bytes() == devices[d].bytes_sent && clocks[d].now() == recorders[d].now() ? 1 : 0;
    peak = std::max(peak, devices[d].peak_bytes);
  }
  CHECK(equal == 1000);
  CHECK(pass.peak_bytes() == peak);
}

TEST_CASE("the pairs of two shards are those that the mask leaves") {
  Random random(13);
  for (int trial = 0; trial < 300; ++trial) {
    const Index queries = random.below(40), keys = random.below(50);
    const int devices = static_cast<int>(1 + random.below(9));
    const Layout layout = all_layouts[static_cast<std::size_t>(random.below(3))];
    Mask mask{.causal = random.below(2) == 0};
    if (random.below(2)) mask.window_left = random.below(9);
    if (random.below(2)) mask.window_right = random.below(9);
    const AttentionShape shape{2, queries, keys, 3, 1, 4, 4, mask};
    const int device = static_cast<int>(random.below(devices)),
              owner = static_cast<int>(random.below(devices));
    double pairs = 0;
    for (const Index q : rows_of_device(layout, device, devices, queries))
      for (const Index k : rows_of_device(layout, owner, devices, keys))
        pairs += visible({q + keys - queries, 0}, {k, 0}, mask) ? 6 : 0;
    CAPTURE(queries);
    CAPTURE(keys);
    CAPTURE(devices);
    CAPTURE(name(layout));
    CHECK(VisiblePairs(shape, layout, devices).of(device, owner) == pairs);
    CHECK(shard_rows(layout, device, devices, keys) ==
          static_cast<Index>(rows_of_device(layout, device, devices, keys).size()));
  }
}
