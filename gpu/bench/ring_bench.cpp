#include "gpu/bench/ring_bench.h"

#include <algorithm>
#include <limits>

#include "gpu/bench/single_device_backward.h"
#include "gpu/kernels/ladder.h"
#include "gpu/ring/backward_ring.h"
#include "gpu/tensor/host_copy.h"
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

Layout layout_of(const BenchCase& c) { return c.causal ? Layout::zigzag : Layout::contiguous; }

// out and lse of a row, from the device that holds it
std::vector<float> read_row(ForwardRing& ring, const BenchCase& c, int devices, int b, int h, Index row) {
  for (int d = 0; d < devices; ++d) {
    const GpuResults& results = ring.program(d).results();
    const std::vector<Index>& rows = ring.program(d).shard().rows;
    const auto found = std::lower_bound(rows.begin(), rows.end(), row);
    if (found == rows.end() || *found != row) continue;
    const Index place = (Index{b} * c.H + h) * static_cast<Index>(rows.size()) + (found - rows.begin());
    return row_of_results(*results.out, *results.lse, place, ring.stream());
  }
  return {};
}

// Head after head, of all devices
HeadResults read_head(ForwardRing& forward, BackwardRing& backward, const BenchCase& c, int devices, int b,
                      int h) {
  const Shape rows{1, c.N, 1, c.d};
  HeadResults head{{Tensor<float>(rows), row_tensor<float>(1, c.N, 1)},
                   {Tensor<float>(rows), Tensor<float>(rows), Tensor<float>(rows)}};
  const auto add = [&](const GpuTensor& part, Dtype dtype, const std::vector<Index>& rows_of_part,
                       Tensor<float>& whole) {
    scatter_rows(head_from_gpu(part, dtype, b, h, backward.stream()), rows_of_part, whole);
  };
  for (int d = 0; d < devices; ++d) {
    const GpuShard& shard = backward.program(d).shard();
    const GpuResults& results = forward.program(d).results();
    const GpuGradients& gradients = backward.program(d).gradients();
    add(*results.out, Dtype::bf16, shard.rows, head.forward.out);
    add(*results.lse, Dtype::f32, shard.rows, head.forward.lse);
    add(*gradients.dQ, Dtype::f32, shard.rows, head.gradients.dq);
    add(*gradients.dK, Dtype::f32, shard.kv_rows, head.gradients.dk);
    add(*gradients.dV, Dtype::f32, shard.kv_rows, head.gradients.dv);
  }
  return head;
}

// The out and lse of a forward ring, whose queries do not rotate; other tensors come from _make_
MakeTensor tensors_after_forward(ForwardRing& forward, int devices, const MakeTensor& make) {
  return [&forward, devices, make](std::string_view name, const std::vector<Index>& rows,
                                   const GpuTensor& positions, Index room) {
    if (name == "dlse") return std::shared_ptr<GpuTensor>();
    for (int d = 0; d < devices && (name == "out" || name == "lse"); ++d)
      if (forward.program(d).shard().rows == rows)
        return name == "out" ? forward.program(d).results().out : forward.program(d).results().lse;
    return make(name, rows, positions, room);
  };
}

double seconds_of(GpuRing& ring, Stopwatch& stopwatch) {
  CudaEvent begin, end;
  stopwatch.fill_cache(ring.stream());
  ring.stream().record(begin);
  ring.run();
  ring.stream().record(end);
  ring.finish();
  return seconds_between(begin, end);
}

// A ring rotates only once, and its blocks end up on other devices: each run uses a new ring. The result of the
// first run is checked
double time_once(RingRow& row, Stopwatch& stopwatch, bool check) {
  const BenchCase& c = row.bench_case;
  const int devices = row.options.devices;
  const RowPositions positions = consecutive_positions(c.N);
  const RingConfig config = ring_config_of(c, row.options);
  Stream setup;
  const MakeTensor make = normal_tensors(c, setup);
  ForwardRing forward(config, positions, positions, Dtype::bf16, row.options, any_rung, make);
  const double seconds = seconds_of(forward, stopwatch);
  row.bytes_per_device = forward.bytes(0);
  if (!row.backward) {
    if (check)
      require_correct(c, "the ring",
                      [&](int b, int h, Index query) { return read_row(forward, c, devices, b, h, query); });
    return seconds;
  }
  BackwardRing backward(config, positions, positions, Dtype::bf16, row.options, any_rung, true,
                        tensors_after_forward(forward, devices, make));
  const double backward_seconds = seconds_of(backward, stopwatch);
  row.bytes_per_device = backward.bytes(0);
  if (check)
    require_correct(c, "the ring",
                    [&](int b, int h) { return read_head(forward, backward, c, devices, b, h); });
  return backward_seconds;
}

void time_ring(RingRow& row, int times, Stopwatch& stopwatch) {
  std::vector<double> seconds;
  for (int run = 0; run < times; ++run) seconds.push_back(time_once(row, stopwatch, run == 0));
  row.ring_seconds = median_of(seconds);
}

// The median time of the highest rung, after its result is checked
template <class Call, class FindRung>
double time_single_device(const BenchCase& c, const FindRung& find, int runs, Stopwatch& stopwatch,
                          Stream& stream) {
  Call call(c, stream);
  const auto step = call.step();
  const auto& rung = find(step);
  call.poison();
  rung.launch(step, stream);
  require_correct(c, rung.name, call.reader());
  return stopwatch.median(runs, [&] { rung.launch(step, stream); });
}

}  // namespace

MakeTensor normal_tensors(const BenchCase& c, Stream& stream) {
  return [&c, &stream](std::string_view name, const std::vector<Index>& rows, const GpuTensor& positions,
                       Index room) {
    auto tensor = std::make_shared<GpuTensor>(Shape{c.B, room, c.H, c.d}, 2);
    const auto count = static_cast<Index>(rows.size());
    tensor->set_shape({c.B, count, c.H, c.d});
    write_normal_numbers(c.numbers_of(name), positions.as<int>(), static_cast<int>(count), Element::bf16,
                         tensor->data(), stream);
    stream.synchronize();
    return tensor;
  };
}

std::vector<RingRow> bench_ring(const BenchCase& c, bool backward, int devices, int runs,
                                Stopwatch& stopwatch, Stream& stream) {
  const auto highest = [](const AttentionStep& step) { return highest_rung(step, any_rung); };
  const auto highest_backward = [](const BackwardStep& step) { return highest_rung(step, any_rung, true); };
  const double one_call =
      backward ? time_single_device<SingleDeviceBackward>(c, highest_backward, runs, stopwatch, stream)
               : time_single_device<SingleDeviceForward>(c, highest, runs, stopwatch, stream);
  std::vector<RingRow> rows;
  for (const Exchange exchange : {Exchange::move, Exchange::copy}) {
    rows.push_back({c, backward, options_of(devices, layout_of(c), exchange), 0, one_call, 0});
    time_ring(rows.back(), runs, stopwatch);
  }
  return rows;
}

RingRow run_ring_once(const BenchCase& c, int devices, Stopwatch& stopwatch) {
  RingRow row{c, false, options_of(devices, layout_of(c), Exchange::move), 0, 0, 0};
  time_ring(row, 1, stopwatch);
  return row;
}

double modelled_efficiency(const BenchCase& c, Layout layout, int devices, int runs, Stopwatch& stopwatch,
                           Stream& stream) {
  const RingOptions options = options_of(devices, layout, Exchange::move);
  const RingConfig config = ring_config_of(c, options);
  const RowPositions all = consecutive_positions(c.N);
  std::vector<GpuShard> shards;
  for (int d = 0; d < devices; ++d)
    shards.emplace_back(config, all, all, d, normal_tensors(c, stream), stream);
  GpuState state(config, config.q_rows, stream);
  TileCounter tile_counter(stream);
  stream.synchronize();

  AttentionStep step = common_step<AttentionStep>(config, Dtype::bf16);
  step.last = false;
  step.tile_counter = tile_counter.data();
  const Rung& rung = highest_rung(step, any_rung);
  double total = 0, slowest_of_all_steps = 0;
  for (int s = 0; s < devices; ++s) {
    double slowest = 0;
    for (int d = 0; d < devices; ++d) {
      const GpuShard &own = shards[static_cast<std::size_t>(d)],
                     &resident = shards[static_cast<std::size_t>(resident_owner(d, s, devices))];
      step.device[0] = {own.Q->data(),
                        resident.K->data(),
                        resident.V->data(),
                        own.q_positions->as<int>(),
                        resident.kv_positions->as<int>(),
                        static_cast<int>(own.Q->shape().S),
                        static_cast<int>(resident.K->shape().S),
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
