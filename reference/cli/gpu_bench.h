#pragma once

#include <string>
#include <vector>

namespace ringattn::cli {

// The problems that every rung of the GPU's ladder of kernels does: d = 64 and 128, full and causal, and
// N = shortest, twice that, ... longest. As FlashAttention-3 is measured (arXiv:2407.08608, section 4.1).
struct LadderSizes {
  int shortest = 1024, longest = 131072;
  int tokens = 16384;  // of a batch, where one sequence has fewer
  int columns = 2048;  // of all heads together
  int runs = 11;       // of which the median counts
};

// How fast one rung does one problem.
struct LadderRow {
  int d = 0;
  bool causal = false;
  int N = 0, rung = 0;
  std::string kernel;  // that rung's name
  double tflops = 0, of_gemm = 0;

  bool same_problem(const LadderRow& other) const {
    return d == other.d && causal == other.causal && N == other.N;
  }
};

// What `ringattn bench --backend gpu` finds out.
struct GpuBench {
  std::string device;                     // its name
  double gemm_tflops = 0, copy_gbps = 0;  // the ceilings: products alone, and a copy alone, of 10^9 bytes
  std::vector<LadderRow> ladder;
};

}  // namespace ringattn::cli
