#pragma once

#include "gpu/bench/bench_case.h"
#include "gpu/bench/ceilings.h"

namespace ringattn::gpu {

// How fast one rung does one problem.
struct LadderRow {
  int rung = 0;
  std::string name;
  BenchCase bench_case;
  double tflops = 0, of_gemm = 0;
};

// Every rung on d = 64 and 128, full and causal, N = 1k .. _longest_, 16k tokens in all and 2048 columns in
// all heads together, as FlashAttention-3 is measured (arXiv:2407.08608, section 4.1). Rungs that would take
// long are left out, and said so by their absence. _found_ is told of each row as soon as it is known.
std::vector<LadderRow> bench_ladder(const Ceilings& ceilings, int longest, Stopwatch& stopwatch,
                                    Stream& stream, const std::function<void(const LadderRow&)>& found);

}  // namespace ringattn::gpu
