#include "gpu/bench/ladder_bench.h"

#include <algorithm>
#include <map>
#include <span>

#include "gpu/backward/ladder.h"
#include "gpu/bench/single_device_backward.h"
#include "gpu/bench/single_device_forward.h"
#include "gpu/kernels/ladder.h"

namespace ringattn::gpu {

namespace {

// The differences between the passes
struct ForwardPass {
  using Call = SingleDeviceForward;
  static constexpr bool backward = false;
  static std::span<const Rung> rungs() { return ladder(); }
  static double operations(const BenchCase& c) { return c.operations(); }
};
struct BackwardPass {
  using Call = SingleDeviceBackward;
  static constexpr bool backward = true;
  static std::span<const BackwardRung> rungs() { return backward_ladder(); }
  static double operations(const BenchCase& c) { return c.backward_operations(); }
};

template <class Pass>
void bench_pass(const cli::GpuBenchSizes& sizes, const Ceilings& ceilings, Stopwatch& stopwatch,
                Stream& stream, const std::function<void(const cli::LadderRow&)>& found) {
  constexpr double most_seconds = 0.5;  // for one run
  for (const int d : {64, 128})
    for (const bool causal : {false, true}) {
      std::map<int, double> rate;  // operations per second, of each rung so far
      for (int N = sizes.shortest; N <= sizes.longest; N *= 2) {
        const BenchCase bench_case{std::max(1, sizes.tokens / N), sizes.columns / d, N, d, causal};
        const double operations = Pass::operations(bench_case);
        typename Pass::Call call(bench_case, stream);
        const auto step = call.step();
        for (const auto& rung : Pass::rungs()) {
          if (!rung.unsupported_reason(step).empty()) continue;
          if (rate.count(rung.number) && operations / rate[rung.number] > most_seconds) continue;
          call.poison();
          rung.launch(step, stream);
          require_correct(bench_case, rung.name, call.reader());
          rate[rung.number] = operations / stopwatch.median(sizes.runs, [&] { rung.launch(step, stream); });
          const double tflops = 1e-12 * rate[rung.number];
          found(
              {Pass::backward, d, causal, N, rung.number, rung.name, tflops, tflops / ceilings.gemm_tflops});
        }
      }
    }
}

}  // namespace

void bench_ladders(const cli::GpuBenchSizes& sizes, const Ceilings& ceilings, Stopwatch& stopwatch,
                   Stream& stream, const std::function<void(const cli::LadderRow&)>& found) {
  bench_pass<ForwardPass>(sizes, ceilings, stopwatch, stream, found);
  bench_pass<BackwardPass>(sizes, ceilings, stopwatch, stream, found);
}

}  // namespace ringattn::gpu
