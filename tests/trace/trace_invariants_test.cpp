// Tests of the traces that the ring emits, on many small random runs.

#include <doctest/doctest.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "reference/trace/export/json_lines.h"
#include "reference/trace/summary.h"
#include "reference/trace/tee_sink.h"
#include "tests/support/traced_run.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// A run like that of the command line: forward, then backward, with the same recorders
struct Run {
  RandomProblem<double> drawn;
  RingOptions options;
  CostModel cost;
  std::vector<CostModel> costs;  // by device
  bool backward = false;

  explicit Run(Random& random)
      : drawn(random_problem(random, {.longest = 9, .widest = 4, .head_terms = true})) {
    options.devices = 1 + static_cast<int>(random.below(8));
    options.layout = static_cast<Layout>(random.below(3));
    options.rotate = random.below(2) ? Rotation::kv : Rotation::q;
    options.overlap = random.below(2);
    options.exchange = random.below(2) ? Exchange::copy : Exchange::move;
    options.traced_rows.all = random.below(2);
    cost.ns_per_pair = static_cast<double>(random.below(3)) / 3;
    cost.link_gbps = static_cast<double>(random.below(4)) * 7;
    cost.link_latency_us = static_cast<double>(random.below(3)) / 10;
    if (random.below(2)) {
      cost.devices_per_node = 1 + static_cast<int>(random.below(options.devices));
      cost.network_gbps = static_cast<double>(random.below(4)),
      cost.network_latency_us = cost.link_latency_us;
    }
    backward = random.below(2);
    costs.assign(static_cast<std::size_t>(options.devices), cost);
  }

  // Some devices and links are slower than the rest
  void slow_down_some(Random& random) {
    for (CostModel& each : costs) {
      each.ns_per_pair *= 1 + static_cast<double>(random.below(3));
      each.link_gbps /= 1 + static_cast<double>(random.below(3));
      each.link_latency_us *= 1 + static_cast<double>(random.below(3));
    }
  }

  TraceHeader header() const {
    TraceHeader header = header_of(drawn, options, cost);
    if (backward) header.passes.push_back("backward");
    return header;
  }

  // 0: a thread for each device; 1: lockstep
  void on_threads(int threads, TraceSink& sink) const {
    Recorders recorders = make_recorders(sink, costs);
    RingOptions with_pens = options;
    with_pens.recorders = &recorders, with_pens.threads = threads;
    const AttentionOutput<double> forward = ring_attention(drawn.problem(), with_pens);
    if (backward) ring_attention_vjp(drawn.problem(), forward, drawn.cotangents(), with_pens);
  }
  std::vector<Event> events_on_threads(int threads) const {
    TraceStore store(options.devices);
    on_threads(threads, store);
    return store.events();
  }

  std::string describe() const {
    return drawn.describe() + "; devices " + std::to_string(options.devices) + ", " + header().layout +
           ", rotate " + header().rotate + (options.overlap ? ", overlap" : "") +
           (backward ? ", backward" : "");
  }
};

std::string virtual_trace(const TraceHeader& header, const std::vector<Event>& events) {
  std::ostringstream lines;
  write_json_lines(lines, header, events, WallTimes::omit);
  return lines.str();
}

// The first violation that the checker reports; empty for a good trace
std::string complaint(const Run& run, const std::vector<Event>& events,
                      TraceExtent extent = TraceExtent::complete) {
  const std::vector<std::string> sentences = broken_invariants(run.header(), events, extent);
  return sentences.empty() ? "" : sentences.front();
}

}  // namespace

TEST_CASE("every run keeps the invariants of traces") {
  Random random(30);
  for (int trial = 0; trial < trials(1000); ++trial) {
    const Run run(random);
    const std::string sentence = complaint(run, run.events_on_threads(1));
    INFO(run.describe());
    CHECK(sentence == "");
  }
}

TEST_CASE("runs on devices and links of different speeds keep the invariants of traces") {
  Random random(34);
  for (int trial = 0; trial < trials(300); ++trial) {
    Run run(random);
    run.slow_down_some(random);
    const std::string sentence = complaint(run, run.events_on_threads(1));
    INFO(run.describe());
    CHECK(sentence == "");
  }
}

TEST_CASE("threads and lockstep give the same virtual trace, byte for byte") {
  Random random(31);
  for (int trial = 0; trial < trials(200); ++trial) {
    Run run(random);
    run.slow_down_some(random);
    const std::vector<Event> threads = run.events_on_threads(0), lockstep = run.events_on_threads(1);
    const bool same = virtual_trace(run.header(), threads) == virtual_trace(run.header(), lockstep);
    const std::string sentence = complaint(run, threads);
    INFO(run.describe());
    CHECK(same);
    CHECK(sentence == "");
  }
}

TEST_CASE("a reader during the run gets an unfinished trace, never a broken one") {
  Random random(32);
  for (int trial = 0; trial < trials(50); ++trial) {
    const Run run(random);
    TraceStore store(run.options.devices);
    std::atomic<bool> done = false;
    std::thread devices([&] {
      run.on_threads(0, store);
      done = true;
    });
    std::string sentence;
    while (!done && sentence.empty()) sentence = complaint(run, store.events(), TraceExtent::unfinished);
    devices.join();
    INFO(run.describe());
    CHECK(sentence == "");
    sentence = complaint(run, store.events());
    CHECK(sentence == "");
  }
}

TEST_CASE("a summary made during the run equals the summary of its trace") {
  Random random(33);
  for (int trial = 0; trial < trials(100); ++trial) {
    const Run run(random);
    TraceStore store(run.options.devices);
    Summary summary(run.options.devices);
    TeeSink both({&store, &summary});
    run.on_threads(0, both);

    std::vector<std::int64_t> sent(static_cast<std::size_t>(run.options.devices));
    for (const Event& event : store.events())
      if (event.kind == EventKind::send && event.phase == EventPhase::end)
        sent[static_cast<std::size_t>(event.id.device)] += event.bytes;
    for (std::size_t device = 0; device < sent.size(); ++device)
      CHECK(summary.devices()[device].bytes_sent == sent[device]);

    const Overlap overlap = summary.overlap();
    CHECK(overlap.exposed.virtual_ns <= overlap.transfer.virtual_ns);
    CHECK(overlap.exposed.wall_seconds <= overlap.transfer.wall_seconds);
  }
}
