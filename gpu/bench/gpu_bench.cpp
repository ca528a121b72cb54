#include "gpu/bench/gpu_bench.h"

#include <limits>

#include "gpu/bench/ladder_bench.h"
#include "gpu/bench/ring_bench.h"
#include "gpu/runtime/device.h"

namespace ringattn::gpu {

namespace {

cli::GpuRingRow to_row(const RingRow& row) {
  return {row.backward,
          row.options.devices,
          row.bench_case.N,
          row.bench_case.causal,
          name(row.options.layout),
          row.options.exchange == Exchange::copy ? "copied" : "handed over",
          row.ring_seconds,
          row.tflops(),
          row.one_call_seconds > 0 ? row.of_one_call() : std::numeric_limits<double>::quiet_NaN(),
          row.bytes_per_device};
}

void bench_rings(const cli::GpuBenchSizes& sizes, cli::GpuBench& bench, Stopwatch& stopwatch,
                 Stream& stream) {
  constexpr int d = 128, long_heads = 8;
  const int devices = sizes.ring_devices, heads = sizes.columns / d;
  BenchCase c{1, heads, devices * sizes.ring_tokens, d, false};
  for (const bool causal : {false, true}) {
    c.causal = causal;
    for (const bool backward : {false, true})
      for (const RingRow& row : bench_ring(c, backward, devices, sizes.runs, stopwatch, stream))
        bench.rings.push_back(to_row(row));
  }
  bench.rings.push_back(to_row(run_ring_once({1, long_heads, sizes.long_ring, d, true}, devices, stopwatch)));
  for (const Layout layout : all_layouts)
    bench.balance.push_back(
        {name(layout), devices, modelled_efficiency(c, layout, devices, sizes.runs, stopwatch, stream)});
}

}  // namespace

cli::GpuBench bench_gpu(const cli::GpuBenchSizes& sizes,
                        const std::function<void(const cli::GpuBench&)>& on_progress) {
  Stream stream;
  Stopwatch stopwatch(stream);
  const Ceilings ceilings = measure_ceilings(stopwatch, stream);
  cli::GpuBench bench{device_name(), ceilings.gemm_tflops, ceilings.copy_gbps, {}, {}, {}};
  on_progress(bench);
  bench_ladders(sizes, ceilings, stopwatch, stream, [&](const cli::LadderRow& row) {
    bench.ladder.push_back(row);
    on_progress(bench);
  });
  bench_rings(sizes, bench, stopwatch, stream);
  return bench;
}

}  // namespace ringattn::gpu
