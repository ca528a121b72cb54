#pragma once

#include "gpu/bench/bench_case.h"
#include "gpu/bench/stopwatch.h"
#include "gpu/ring/forward_ring.h"

namespace ringattn::gpu {

// Numbers that the GPU finds by itself: Q, K, V and dO of a ring
MakeTensor normal_tensors(const BenchCase& bench_case, Stream& stream);

// A ring of virtual devices, beside one call for all that they have.
struct RingRow {
  BenchCase bench_case;
  bool backward = false;
  RingOptions options;
  double ring_seconds = 0, one_call_seconds = 0;  // of the latter nothing where nobody asked for it
  Index bytes_per_device = 0;

  double of_one_call() const { return one_call_seconds / ring_seconds; }
  double tflops() const {
    return 1e-12 * (backward ? bench_case.backward_operations() : bench_case.operations()) / ring_seconds;
  }
};

// A ring in the contiguous layout, causal in zigzag, with blocks handed over and copied; the median of so
// many runs counts, for the ring and for the one call. _backward_: that pass alone, by rungs that give the
// same bits in every run
std::vector<RingRow> bench_ring(const BenchCase& bench_case, bool backward, int devices, int runs,
                                Stopwatch& stopwatch, Stream& stream);

// A single run where blocks are handed over, for problems that would be too long a wait
RingRow run_ring_once(const BenchCase& bench_case, int devices, Stopwatch& stopwatch);

// How well a layout balances a problem over devices that wait for one another at each step: the mean over the
// devices of their total time, divided by the sum over the steps of the slowest one's. Each block has the
// whole GPU for itself, as it would on a device of its own.
double modelled_efficiency(const BenchCase& bench_case, Layout layout, int devices, int runs,
                           Stopwatch& stopwatch, Stream& stream);

}  // namespace ringattn::gpu
