#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringattn::cli {

// The problems that every rung of the GPU's ladders of kernels does, forward and backward: d = 64 and 128,
// full and causal, and N = shortest, twice that, ... longest. As FlashAttention-3 is measured
// (arXiv:2407.08608, section 4.1). Then those of rings of virtual devices, d = 128.
struct GpuBenchSizes {
  int shortest = 1024, longest = 131072;
  int tokens = 16384;  // of a batch, where one sequence has fewer
  int columns = 2048;  // of all heads together
  int runs = 11;       // of which the median counts

  int ring_devices = 8, ring_tokens = 4096;  // of each device
  int long_ring = 1 << 20;                   // tokens of one causal run, with 1024 columns
};

// How fast one rung does one problem, forward or backward: each has a ladder of its own.
struct LadderRow {
  bool backward = false;
  int d = 0;
  bool causal = false;
  int N = 0, rung = 0;
  std::string kernel;  // that rung's name
  double tflops = 0, of_gemm = 0;

  bool same_problem(const LadderRow& other) const {
    return backward == other.backward && d == other.d && causal == other.causal && N == other.N;
  }
};

// A ring of virtual devices, beside one call for all that they have.
struct GpuRingRow {
  bool backward = false;
  int devices = 0, N = 0;
  bool causal = false;
  std::string layout, exchange;
  double seconds = 0, tflops = 0, of_one_call = 0;  // the latter NaN where nobody made that call
  std::int64_t bytes_per_device = 0;
};

// How well a layout balances a causal mask, if each device had the GPU for itself.
struct BalanceRow {
  std::string layout;
  int devices = 0;
  double modelled_efficiency = 0;
};

// What `ringattn bench --backend gpu` finds out.
struct GpuBench {
  std::string device;                     // its name
  double gemm_tflops = 0, copy_gbps = 0;  // the ceilings: products alone, and a copy alone, of 10^9 bytes
  std::vector<LadderRow> ladder;
  std::vector<GpuRingRow> rings;
  std::vector<BalanceRow> balance;
};

}  // namespace ringattn::cli
