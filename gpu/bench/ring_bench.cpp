#include "gpu/bench/ring_bench.h"

#include <algorithm>
#include <limits>

#include "gpu/bench/one_call.h"
#include "gpu/kernels/ladder.h"
#include "gpu/ring/transfer.h"
#include "reference/definition/layout.h"
#include "reference/ring/schedule.h"

namespace ringattn::gpu {

namespace {

constexpr int any_rung = std::numeric_limits<int>::max();

RingOptions options_of(int devices, Layout layout, Exchange exchange) {
  RingOptions options;
  options.devices = devices, options.layout = layout, options.exchange = exchange;
  return options;
}

Agreement agreement_of(const BenchCase& c, const RingOptions& options) {
  Scoring scoring;
  scoring.mask.causal = c.causal;
  const Shape shape{c.B, c.N, c.H, c.d};
  return agreement_on(scoring, shape, shape, shape, options);
}

Layout layout_of(const BenchCase& c) { return c.causal ? Layout::zigzag : Layout::contiguous; }

// out and lse of a row, from the device that has it
std::vector<float> read_row(ForwardRing& ring, const BenchCase& c, int devices, int b, int h, Index row) {
  for (int d = 0; d < devices; ++d) {
    const GpuResults& results = ring.work(d).results();
    const std::vector<Index>& rows = ring.work(d).shard().rows;
    const auto found = std::lower_bound(rows.begin(), rows.end(), row);
    if (found == rows.end() || *found != row) continue;
    const Index place = (Index{b} * c.H + h) * static_cast<Index>(rows.size()) + (found - rows.begin());
    return row_of_results(*results.out, *results.lse, place, ring.stream());
  }
  return {};
}

// A ring goes round once, after which its blocks lie elsewhere: each run has a ring of its own. The answer of
// the first is checked
void time_ring(RingRow& row, int times) {
  const BenchCase& c = row.bench_case;
  const Tokens tokens = consecutive_tokens(c.N);
  std::vector<double> seconds;
  for (int run = 0; run < times; ++run) {
    Stream setup;
    ForwardRing ring(agreement_of(c, row.options), tokens, tokens, Dtype::bf16, row.options, any_rung,
                     normal_tensors(c, setup));
    setup.finish();
    Mark begin, end;
    ring.stream().record(begin);
    ring.go_round();
    ring.stream().record(end);
    ring.finish();
    seconds.push_back(seconds_between(begin, end));
    row.bytes_per_device = ring.bytes(0);
    if (run == 0)
      require_right(c, "the ring", [&](int b, int h, Index query) {
        return read_row(ring, c, row.options.devices, b, h, query);
      });
  }
  row.ring_seconds = median_of(seconds);
}

}  // namespace

MakeTensor normal_tensors(const BenchCase& c, Stream& stream) {
  return [&c, &stream](std::string_view name, const std::vector<Index>& rows, const GpuTensor& positions,
                       Index room) {
    auto tensor = std::make_shared<GpuTensor>(Shape{c.B, room, c.H, c.d}, 2);
    const auto count = static_cast<Index>(rows.size());
    tensor->take_shape({c.B, count, c.H, c.d});
    write_normal_numbers(c.numbers_of(name[0]), positions.as<int>(), static_cast<int>(count), Element::bf16,
                         tensor->data(), stream);
    return tensor;
  };
}

std::vector<RingRow> bench_ring(const BenchCase& c, int devices, int runs, Stopwatch& stopwatch,
                                Stream& stream) {
  OneCall call(c, stream);
  const AttentionStep step = call.step();
  const Rung& rung = highest_rung(step, any_rung);
  call.poison();
  rung.launch(step, stream);
  require_right(c, rung.name, [&](int b, int h, Index row) { return call.read(b, h, row); });
  const double one_call = stopwatch.median(runs, [&] { rung.launch(step, stream); });
  std::vector<RingRow> rows;
  for (const Exchange exchange : {Exchange::handed_over, Exchange::copied}) {
    rows.push_back({c, options_of(devices, layout_of(c), exchange), 0, one_call, 0});
    time_ring(rows.back(), runs);
  }
  return rows;
}

RingRow run_ring_once(const BenchCase& c, int devices) {
  RingRow row{c, options_of(devices, layout_of(c), Exchange::handed_over), 0, 0, 0};
  time_ring(row, 1);
  return row;
}

double modelled_efficiency(const BenchCase& c, Layout layout, int devices, int runs, Stopwatch& stopwatch,
                           Stream& stream) {
  const RingOptions options = options_of(devices, layout, Exchange::handed_over);
  const Agreement agreement = agreement_of(c, options);
  const Tokens all = consecutive_tokens(c.N);
  std::vector<GpuShard> shards;
  for (int d = 0; d < devices; ++d)
    shards.emplace_back(agreement, all, all, d, normal_tensors(c, stream), stream);
  GpuState state(agreement, agreement.q_rows, stream);
  stream.finish();

  AttentionStep step = common_step<AttentionStep>(agreement, Dtype::bf16);
  step.devices = 1, step.last = false;
  const Rung& rung = highest_rung(step, any_rung);
  double total = 0, slowest_of_all_steps = 0;
  for (int s = 0; s < devices; ++s) {
    double slowest = 0;
    for (int d = 0; d < devices; ++d) {
      const GpuShard &own = shards[static_cast<std::size_t>(d)],
                     &visitor = shards[static_cast<std::size_t>(block_owner(d, s, devices))];
      step.device[0] = {own.Q->data(),
                        visitor.K->data(),
                        visitor.V->data(),
                        own.q_positions->as<int>(),
                        visitor.kv_positions->as<int>(),
                        static_cast<int>(own.Q->shape().S),
                        static_cast<int>(visitor.K->shape().S),
                        state.m->as<float>(),
                        state.l->as<float>(),
                        state.O->as<float>(),
                        nullptr,
                        nullptr};
      const double seconds = stopwatch.median(runs, [&] { rung.launch(step, stream); });
      total += seconds;
      slowest = std::max(slowest, seconds);
    }
    slowest_of_all_steps += slowest;
  }
  return total / devices / slowest_of_all_steps;
}

}  // namespace ringattn::gpu
