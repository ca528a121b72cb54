#pragma once

#include "gpu/bench/bench_case.h"
#include "gpu/bench/stopwatch.h"
#include "gpu/ring/forward_ring.h"

namespace ringattn::gpu {

// Numbers generated on the GPU: Q, K, V and dO of a ring
MakeTensor normal_tensors(const BenchCase& bench_case, Stream& stream);

// A ring of virtual devices, compared with one call over the whole problem.
struct RingRow {
  BenchCase bench_case;
  bool backward = false;
  RingOptions options;
  double ring_seconds = 0, one_call_seconds = 0;  // one_call_seconds is 0 if it was not measured
  Index bytes_per_device = 0;

  double of_one_call() const { return one_call_seconds / ring_seconds; }
  double tflops() const {
    return 1e-12 * (backward ? bench_case.backward_operations() : bench_case.operations()) / ring_seconds;
  }
};

// A ring in the contiguous layout, causal in zigzag, with blocks handed over and copied. The report has the median
// of the given number of runs, for the ring and for the one call. _backward_: that pass alone, by
// deterministic rungs
std::vector<RingRow> bench_ring(const BenchCase& bench_case, bool backward, int devices, int runs,
                                Stopwatch& stopwatch, Stream& stream);

// A single run with blocks handed over, for problems that would otherwise take too long
RingRow run_ring_once(const BenchCase& bench_case, int devices, Stopwatch& stopwatch);

// The load balance of a layout over devices that synchronize at each step: the mean over the devices of their total
// time, divided by the sum over the steps of the time of the slowest device. Each block has the whole GPU to itself,
// as it would on a separate device.
double modelled_efficiency(const BenchCase& bench_case, Layout layout, int devices, int runs,
                           Stopwatch& stopwatch, Stream& stream);

}  // namespace ringattn::gpu
