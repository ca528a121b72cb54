#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ringattn::cli {

// The problems on which every rung of the GPU's ladders of kernels is measured, forward and backward: d = 64 and 128,
// full and causal, N = shortest, 2 shortest, ... longest, as in FlashAttention-3 (arXiv:2407.08608, section 4.1). Then
// those of rings of virtual devices, with d = 128.
struct GpuBenchSizes {
  int shortest = 1024, longest = 131072;
  int tokens = 16384;  // of a batch, if one sequence is shorter
  int columns = 2048;  // of all heads together
  int runs = 11;       // the median counts

  int ring_devices = 8, ring_tokens = 4096;  // per device
  int long_ring = 1 << 20;                   // tokens of one causal ring with 1024 columns
};

// The speed of one rung on one problem. Forward and backward have separate ladders.
struct LadderRow {
  bool backward = false;
  int d = 0;
  bool causal = false;
  int N = 0, rung = 0;
  std::string kernel;  // name of the rung
  double tflops = 0, of_gemm = 0;

  bool same_problem(const LadderRow& other) const {
    return backward == other.backward && d == other.d && causal == other.causal && N == other.N;
  }
};

// The speed of a ring of virtual devices, compared with one call on the whole problem.
struct GpuRingRow {
  bool backward = false;
  int devices = 0, N = 0;
  bool causal = false;
  std::string layout, exchange;
  double seconds = 0, tflops = 0, of_one_call = 0;  // of_one_call: NaN if it was not measured
  std::int64_t bytes_per_device = 0;
};

// How well a layout balances a causal mask, if each device had its own GPU.
struct BalanceRow {
  std::string layout;
  int devices = 0;
  double modelled_efficiency = 0;
};

// The result of `ringattn bench --backend gpu`.
struct GpuBench {
  std::string device;                     // name of the GPU
  double gemm_tflops = 0, copy_gbps = 0;  // ceilings: matrix products alone; a copy alone, in 10^9 bytes/s
  std::vector<LadderRow> ladder;
  std::vector<GpuRingRow> rings;
  std::vector<BalanceRow> balance;
};

}  // namespace ringattn::cli
