#include <doctest/doctest.h>

#include "reference/blockwise/block_plan.h"
#include "reference/planner/strategy/recorded_ring.h"
#include "reference/planner/strategy/ring_clock.h"
#include "reference/ring/ring_attention.h"
#include "reference/trace/summary.h"
#include "reference/trace/trace_store.h"
#include "tests/support/random_problem.h"

using namespace ringattn;
using namespace ringattn::planner;

namespace {

// A causal or unmasked problem with ragged shards, and the ring that computes it
struct EngineRun {
  RandomProblem<double> drawn;
  RingOptions ring;
  CostModel cost;

  AttentionShape shape() const {
    const Extents e = drawn.extents();
    return {e.B, e.Sq, e.Skv, e.Hq, e.Hkv, e.D, e.Dv, drawn.scoring.mask.causal};
  }
};

EngineRun random_run(Random& random) {
  const Index kv_heads = 1 + random.below(3);
  Extents e{.B = 1 + random.below(2),
            .Sq = 1 + random.below(60),
            .Skv = 0,
            .Hq = kv_heads * (1 + random.below(3)),
            .Hkv = kv_heads,
            .D = 1 + random.below(7),
            .Dv = 1 + random.below(9)};
  e.Skv = e.Sq + random.below(40);
  EngineRun run{normal_problem(random, e), {}, {}};
  run.drawn.scoring.mask.causal = random.below(3) > 0;
  run.ring.devices = static_cast<int>(1 + random.below(9));
  run.ring.layout = all_layouts[static_cast<std::size_t>(random.below(3))];
  run.ring.rotate = random.below(2) ? Rotation::kv : Rotation::q;
  run.ring.overlap = random.below(2) == 0;
  run.ring.threads = 1;
  // Transfers from far below to far above the arithmetic of a step, with and without latency
  run.cost.ns_per_pair = 0.75;
  run.cost.link_gbps = random.below(4) == 0 ? 0 : static_cast<double>(Index{1} << random.below(12)) / 8;
  run.cost.link_latency_us = random.below(2) == 0 ? 0 : 0.125 * static_cast<double>(random.below(9));
  return run;
}

// The observed pass of the engine: a summary of its events, and the virtual time at which each device was done
struct Observed {
  std::vector<DeviceSummary> devices;
  std::vector<double> end;
  std::vector<Event> events;
};

template <class Pass>
Observed observe(const EngineRun& run, const Pass& pass) {
  TraceStore store(run.ring.devices);
  Recorders recorders = make_recorders(store, run.ring.devices, run.cost);
  RingOptions ring = run.ring;
  ring.recorders = &recorders;
  pass(ring);
  Summary summary(ring.devices);
  for (const Event& event : store.events()) summary.write(event);
  Observed observed{summary.devices(), {}, store.events()};
  for (const Recorder& recorder : recorders) observed.end.push_back(recorder.now());
  return observed;
}

// A tile of scores in float64, which the engine holds in memory; its rows are padded to 64 bytes
double tile_bytes(double queries, double keys) {
  const double columns = 8 * std::ceil(std::min(keys, static_cast<double>(key_tile_rows)) / 8);
  return 8 * std::min(queries, static_cast<double>(query_tile_rows)) * columns;
}

// The elements of the engine in float64. Positions travel with blocks, 16 bytes a row. A tile has the own rows of what
// stays, and those of the largest block
ElementBytes engine_bytes(const EngineRun& run, RingPassKind kind, int device) {
  const AttentionShape shape = run.shape();
  const auto own = [&](Index N) { return rows_of_shard(run.ring.layout, device, run.ring.devices, N); };
  const auto most = [&](Index N) { return rows_of_largest_shard(run.ring.layout, run.ring.devices, N); };
  return {.input = 8,
          .gradient = 8,
          .state = 8,
          .position = static_cast<double>(run.drawn.q_positions.sequences()) * sizeof(RowPosition),
          .tile = keys_travel(kind) ? tile_bytes(own(shape.queries), most(shape.keys))
                                    : tile_bytes(most(shape.queries), own(shape.keys))};
}

// Whether two events are equal in all but wall times
bool same_but_wall_time(const Event& a, const Event& b) {
  return a.id == b.id && a.kind == b.kind && a.phase == b.phase && a.lane == b.lane && a.step == b.step &&
         a.t == b.t && a.cause == b.cause && a.peer == b.peer && a.owner == b.owner && a.what == b.what &&
         a.why == b.why && a.mask_class == b.mask_class && a.bytes == b.bytes &&
         a.transfer_t == b.transfer_t && a.exposed_t == b.exposed_t && a.live_pairs == b.live_pairs;
}

// The events of a planned pass, which has the tile of each device in turn
std::vector<Event> planned_events(const EngineRun& run, RingPassKind kind) {
  TraceStore store(run.ring.devices);
  Recorders recorders = make_recorders(store, run.ring.devices, run.cost);
  record_ring(RingPass(kind, run.shape(), engine_bytes(run, kind, 0), run.ring.layout, run.ring.devices),
              run.shape(), run.ring.layout, recorders, run.ring.overlap);
  return store.events();
}

void compare_events(const EngineRun& run, RingPassKind kind, const std::vector<Event>& engine) {
  const std::vector<Event> planned = planned_events(run, kind);
  REQUIRE(planned.size() == engine.size());
  std::size_t same = 0;
  for (std::size_t i = 0; i < engine.size(); ++i) {
    const bool tile = engine[i].what == "S tile" || engine[i].what == "P dS tiles";
    Event event = planned[i];
    if (tile && event.id.device > 0) event.bytes = engine[i].bytes;
    same += same_but_wall_time(event, engine[i]) ? 1 : 0;
  }
  CHECK(same == engine.size());
}

void compare(const EngineRun& run, RingPassKind kind, const Observed& observed) {
  const AttentionShape shape = run.shape();
  const std::vector<CostModel> costs(static_cast<std::size_t>(run.ring.devices), run.cost);
  const RingPass pass(kind, shape, engine_bytes(run, kind, 0), run.ring.layout, run.ring.devices);
  const std::vector<DeviceTime> times = ring_clock(pass, shape, run.ring.layout, costs, run.ring.overlap);
  compare_events(run, kind, observed.events);
  for (int device = 0; device < run.ring.devices; ++device) {
    CAPTURE(device);
    const auto d = static_cast<std::size_t>(device);
    const DeviceSummary& engine = observed.devices[d];
    CHECK(pass.bytes_sent(device) == static_cast<double>(engine.bytes_sent));
    // Sums of multiples of 1/8 ns: exact in any order
    CHECK(times[d].busy == engine.busy.virtual_ns);
    CHECK(times[d].end == observed.end[d]);
    CHECK(times[d].wait == engine.wait_recv.virtual_ns + engine.wait_send_buffer.virtual_ns);
    const RingPass held(kind, shape, engine_bytes(run, kind, device), run.ring.layout, run.ring.devices);
    CHECK(held.peak_bytes(device) == static_cast<double>(engine.peak_bytes));
  }
}

}  // namespace

TEST_CASE(
    "bytes, peak memory, times and events of a planned ring equal those of a lockstep run, forward and "
    "backward") {
  Random random(11);
  for (int trial = 0; trial < 60; ++trial) {
    const EngineRun run = random_run(random);
    CAPTURE(run.drawn.describe());
    const bool keys = run.ring.rotate == Rotation::kv;
    compare(run, keys ? RingPassKind::forward_kv : RingPassKind::forward_q,
            observe(run, [&](const RingOptions& ring) { ring_attention(run.drawn.problem(), ring); }));
    const AttentionOutput<double> forward = ring_attention(run.drawn.problem(), {});
    compare(run, keys ? RingPassKind::backward_kv : RingPassKind::backward_q,
            observe(run, [&](const RingOptions& ring) {
              ring_attention_vjp(run.drawn.problem(), forward, run.drawn.cotangents(), ring);
            }));
  }
}

TEST_CASE("a ring of 1000 planned devices sends the bytes of 1000 devices in lockstep") {
  Random random(12);
  EngineRun run{
      normal_problem(random, {.B = 1, .Sq = 1009, .Skv = 1013, .Hq = 2, .Hkv = 1, .D = 3, .Dv = 2}), {}, {}};
  run.drawn.scoring.mask.causal = true;
  run.ring.devices = 1000, run.ring.layout = Layout::zigzag, run.ring.threads = 1;
  Summary summary(run.ring.devices);
  Recorders recorders = make_recorders(summary, run.ring.devices, run.cost);
  run.ring.recorders = &recorders;
  ring_attention(run.drawn.problem(), run.ring);
  const RingPass pass(RingPassKind::forward_kv, run.shape(), engine_bytes(run, RingPassKind::forward_kv, 0),
                      run.ring.layout, run.ring.devices);
  const std::vector<DeviceSummary> devices = summary.devices();
  int equal = 0;
  for (int device = 0; device < run.ring.devices; ++device)
    equal +=
        pass.bytes_sent(device) == static_cast<double>(devices[static_cast<std::size_t>(device)].bytes_sent);
  CHECK(equal == run.ring.devices);
}

TEST_CASE("the pairs of two shards are those whose key is not after the query") {
  Random random(13);
  for (int trial = 0; trial < 300; ++trial) {
    const Index queries = random.below(40), keys = queries + random.below(20);
    const int devices = static_cast<int>(1 + random.below(9));
    const Layout layout = all_layouts[static_cast<std::size_t>(random.below(3))];
    const AttentionShape shape{2, queries, keys, 3, 1, 4, 4, random.below(4) > 0};
    const int device = static_cast<int>(random.below(devices)),
              owner = static_cast<int>(random.below(devices));
    double pairs = 0;
    for (const Index q : rows_of_device(layout, device, devices, queries))
      for (const Index k : rows_of_device(layout, owner, devices, keys))
        pairs += !shape.causal || k <= q + keys - queries ? 6 : 0;
    CAPTURE(queries);
    CAPTURE(keys);
    CAPTURE(devices);
    CAPTURE(name(layout));
    CHECK(VisiblePairs(shape, layout, devices).of(device, owner) == pairs);
    CHECK(rows_of_shard(layout, device, devices, keys) ==
          static_cast<double>(rows_of_device(layout, device, devices, keys).size()));
  }
}
