#include "gpu/bench/ladder_bench.h"

#include <map>

#include "gpu/bench/one_call.h"
#include "gpu/kernels/ladder.h"

namespace ringattn::gpu {

namespace {

constexpr int tokens = 16384, columns = 2048;  // of a batch, of all heads
constexpr double most_seconds = 0.5;           // for one run

}  // namespace

std::vector<LadderRow> bench_ladder(const Ceilings& ceilings, int longest, Stopwatch& stopwatch,
                                    Stream& stream, const std::function<void(const LadderRow&)>& found) {
  constexpr int runs = 11;
  std::vector<LadderRow> rows;
  for (const int d : {64, 128})
    for (const bool causal : {false, true}) {
      std::map<int, double> rate;  // operations a second, of each rung so far
      for (int N = 1024; N <= longest; N *= 2) {
        const BenchCase bench_case{std::max(1, tokens / N), columns / d, N, d, causal};
        OneCall call(bench_case, stream);
        const AttentionStep step = call.step();
        for (const Rung& rung : ladder()) {
          const double operations = bench_case.operations();
          if (!rung.refuses(step).empty()) continue;
          if (rate.count(rung.number) && operations / rate[rung.number] > most_seconds) continue;
          call.poison();
          rung.launch(step, stream);
          require_right(bench_case, rung.name, [&](int b, int h, Index row) { return call.read(b, h, row); });
          const double seconds = stopwatch.median(runs, [&] { rung.launch(step, stream); });
          rate[rung.number] = operations / seconds;
          const double tflops = 1e-12 * operations / seconds;
          rows.push_back({rung.number, rung.name, bench_case, tflops, tflops / ceilings.gemm_tflops});
          found(rows.back());
        }
      }
    }
  return rows;
}

}  // namespace ringattn::gpu
