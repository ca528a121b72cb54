// Tests of the trace of a GPU run: the events of the CPU run, with the times of the streams.

#include <doctest/doctest.h>

#include <map>
#include <sstream>
#include <utility>

#include "reference/trace/event_names.h"
#include "tests/gpu/gpu_problem.h"
#include "tests/support/traced_run.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// Blocks of different storage types take different times, unless links are infinitely fast
const CostModel cost{.ns_per_pair = 2, .link_gbps = 0, .link_latency_us = 0.1};

// The time that the emulated device takes for one operation: a kernel, a copy or an event
constexpr std::int64_t piece_ns = 1000;

GpuProblem small_problem(Random& random) {
  const Extents extents{.B = 1 + random.below(2),
                        .Sq = 1 + random.below(40),
                        .Skv = 1 + random.below(40),
                        .Hq = 2,
                        .Hkv = 1,
                        .D = 32,
                        .Dv = 32};
  return GpuProblem(random, Dtype::bf16, extents, {.causal = random.below(2) == 0});
}

// A run on the GPU, forward and backward, and its trace events in order
struct GpuTrace : TraceSink {
  GpuTrace(const GpuProblem& problem, const RingOptions& ring)
      : header(header_of(problem.narrow, ring, cost)) {
    header.passes.push_back("backward");
    gpu::Tracing tracing(*this, ring.devices, cost);
    const Problem<float> narrow = problem.narrow.problem();
    forward = gpu::ring_attention(narrow, problem.dtype, ring, 2, &tracing);
    passes.emplace_back();
    gradients = gpu::ring_attention_vjp(narrow, forward, problem.narrow.cotangents(), problem.dtype, ring, 1,
                                        true, &tracing);
  }
  void write(const Event& event) override { passes.back().push_back(event); }
  std::vector<Event> events() const {
    std::vector<Event> all = passes.front();
    all.insert(all.end(), passes.back().begin(), passes.back().end());
    return all;
  }

  TraceHeader header;
  AttentionOutput<float> forward;
  Gradients<float> gradients;
  std::vector<std::vector<Event>> passes{1};
};

// The trace events of the CPU for the same run, with all devices in one thread
std::vector<Event> on_processor(const GpuProblem& problem, RingOptions ring) {
  TraceStore store(ring.devices);
  Recorders recorders = make_recorders(store, ring.devices, cost);
  ring.recorders = &recorders, ring.threads = 1;
  RingRun<float>(problem.narrow, ring);
  std::vector<Event> events;
  for (int d = 0; d < ring.devices; ++d)
    for (const Event& event : store.events_of(d)) events.push_back(event);
  return events;
}

// The fields of an event except wall times and the fields that depend on the storage type: bytes and memory held
std::string event_text(const Event& e) {
  std::ostringstream text;
  text << e.id.device << ' ' << name(e.kind) << ' ' << static_cast<int>(e.phase) << ' ' << name(e.lane)
       << " step " << e.step << " t " << e.t << " peer " << e.peer << " owner " << e.owner << ' ' << e.what
       << e.why << ' ' << e.mask_class << ' ' << e.live_pairs << ' ' << e.transfer_t << ' ' << e.exposed_t
       << '\n';
  return text.str();
}
std::string event_text_by_device(const std::vector<Event>& events, int devices) {
  std::string text;
  for (int d = 0; d < devices; ++d)
    for (const Event& e : events)
      if (e.id.device == d && e.kind != EventKind::alloc && e.kind != EventKind::free) text += event_text(e);
  return text;
}

// When an operation began and ended, in wall time
struct Times {
  std::int64_t begin = 0, end = 0;
  bool operator==(const Times&) const = default;
};

std::map<std::pair<int, int>, Times> compute_times(const std::vector<Event>& events) {  // by device and step
  std::map<std::pair<int, int>, Times> times;
  for (const Event& e : events)
    if (e.kind == EventKind::compute)
      (e.phase == EventPhase::begin ? times[{e.id.device, e.step}].begin : times[{e.id.device, e.step}].end) =
          e.w;
  return times;
}

std::map<std::pair<int, int>, Times> send_times(const std::vector<Event>& events) {  // by id
  std::map<std::pair<int, int>, Times> times;
  for (const Event& e : events)
    if (e.kind == EventKind::send)
      (e.phase == EventPhase::begin ? times[{e.id.device, e.id.sequence}].begin
                                    : times[{e.id.device, e.id.sequence}].end) = e.w;
  return times;
}

}  // namespace

TEST_CASE("the trace of a GPU run passes the checker and contains the events of the CPU run") {
  Random random(1);
  for (int n = 0; n < trials(20); ++n) {
    const GpuProblem problem = small_problem(random);
    const RingOptions ring = random_options(random, 6);
    const GpuTrace trace(problem, ring);
    INFO(describe(ring) << ", " << problem.drawn.describe());
    const std::vector<std::string> broken = broken_invariants(trace.header, trace.events());
    CHECK((broken.empty() ? "" : broken.front()) == "");
    CHECK(event_text_by_device(trace.events(), ring.devices) ==
          event_text_by_device(on_processor(problem, ring), ring.devices));
    CHECK(same_bits(trace.forward, on_gpu(problem, ring, 2)));
    CHECK(same_bits(trace.gradients,
                    gpu::ring_attention_vjp(problem.narrow.problem(), trace.forward,
                                            problem.narrow.cotangents(), problem.dtype, ring, 1, true)));
  }
}

TEST_CASE("wall times are those of the streams: one batch for all devices, and no lane goes back in time") {
  Random random(2);
  for (int n = 0; n < trials(20); ++n) {
    const GpuProblem problem = small_problem(random);
    const RingOptions ring = random_options(random, 6);
    const GpuTrace trace(problem, ring);
    INFO(describe(ring));

    std::map<std::pair<int, EventLane>, std::int64_t> before;
    for (const Event& e : trace.events()) {
      CHECK(before[{e.id.device, e.lane}] <= e.w);
      before[{e.id.device, e.lane}] = e.w;
    }
    std::int64_t last = 0;
    for (const std::vector<Event>& pass : trace.passes) {
      // Between the passes the GPU prepares the inputs of the second one
      const Event& begin = pass.front();
      CHECK(begin.kind == EventKind::run);
      CHECK((last == 0 || begin.w >= last + 2 * piece_ns));
      const auto times = compute_times(pass);
      for (int step = 0; step < ring.devices; ++step) {
        const Times wave = times.at({0, step});
        CHECK(last <= wave.begin);
        CHECK(wave.end - wave.begin >= 2 * piece_ns);  // the kernels lie between two events
        for (int d = 1; d < ring.devices; ++d) CHECK(times.at({d, step}) == wave);
        last = wave.end;
      }
      last = pass.back().w;
    }
  }
}

TEST_CASE(
    "a message that arrives during arithmetic is not exposed, and a late one is exposed for its delay") {
  Random random(3);
  int hidden = 0, late = 0;
  for (int n = 0; n < 20; ++n) {
    const GpuProblem problem = small_problem(random);
    const RingOptions ring = random_options(random, 6);
    const GpuTrace trace(problem, ring);
    INFO(describe(ring));
    std::map<int, std::int64_t> idle_since;
    for (const std::vector<Event>& pass : trace.passes) {
      const auto sent = send_times(pass);
      const bool one_lane = ring.rotate == Rotation::kv && &pass == &trace.passes.front();
      for (const Event& e : pass) {
        if (e.kind == EventKind::compute || e.kind == EventKind::merge || e.kind == EventKind::grad_hop)
          idle_since[e.id.device] = e.w;
        if (e.kind != EventKind::recv) continue;
        const auto [begin, end] = sent.at({e.cause[0].device, e.cause[0].sequence});
        const std::int64_t arrived = begin + e.transfer_w, idle = idle_since[e.id.device];
        // If two messages of a device are in flight at a time, it has sent the first one when it sends the second
        CHECK((one_lane ? end == arrived : end <= arrived));
        CHECK(e.exposed_w == std::max<std::int64_t>(0, arrived - std::max(begin, idle)));
        CHECK((ring.overlap || !one_lane || e.exposed_w == e.transfer_w));
        CHECK(e.w >= arrived);
        ++(e.exposed_w == 0 ? hidden : late);
      }
    }
  }
  CHECK(hidden > 0);
  CHECK(late > 0);
}

TEST_CASE("wall times are those of the shared clock if processes have one") {
  constexpr std::int64_t now = 5'000'000'000;
  Random random(4);
  const GpuProblem problem = small_problem(random);
  const RingOptions ring = ring_of(3, Layout::zigzag);
  TraceStore store(ring.devices);
  gpu::Tracing tracing(store, ring.devices, cost, [] { return now; });
  gpu::ring_attention(problem.narrow.problem(), problem.dtype, ring, 2, &tracing);
  REQUIRE_FALSE(store.events().empty());
  for (const Event& e : store.events()) CHECK(e.w >= now);
}
