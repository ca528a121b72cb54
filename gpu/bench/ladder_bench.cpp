#include "gpu/bench/ladder_bench.h"

#include <algorithm>
#include <map>

#include "gpu/bench/one_call.h"
#include "gpu/kernels/ladder.h"

namespace ringattn::gpu {

void bench_ladder(const cli::GpuBenchSizes& sizes, const Ceilings& ceilings, Stopwatch& stopwatch,
                  Stream& stream, const std::function<void(const cli::LadderRow&)>& found) {
  constexpr double most_seconds = 0.5;  // for one run
  for (const int d : {64, 128})
    for (const bool causal : {false, true}) {
      std::map<int, double> rate;  // operations a second, of each rung so far
      for (int N = sizes.shortest; N <= sizes.longest; N *= 2) {
        const BenchCase bench_case{std::max(1, sizes.tokens / N), sizes.columns / d, N, d, causal};
        const double operations = bench_case.operations();
        OneCall call(bench_case, stream);
        const AttentionStep step = call.step();
        for (const Rung& rung : ladder()) {
          if (!rung.refuses(step).empty()) continue;
          if (rate.count(rung.number) && operations / rate[rung.number] > most_seconds) continue;
          call.poison();
          rung.launch(step, stream);
          require_right(bench_case, rung.name, [&](int b, int h, Index row) { return call.read(b, h, row); });
          rate[rung.number] = operations / stopwatch.median(sizes.runs, [&] { rung.launch(step, stream); });
          const double tflops = 1e-12 * rate[rung.number];
          found({d, causal, N, rung.number, rung.name, tflops, tflops / ceilings.gemm_tflops});
        }
      }
    }
}

}  // namespace ringattn::gpu
