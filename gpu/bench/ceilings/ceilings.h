#pragma once

#include "gpu/bench/stopwatch.h"

namespace ringattn::gpu {

// The throughput of this GPU in isolated operations: the reference values for attention.
struct Ceilings {
  double gemm_tflops = 0;  // a bf16 product of 8192 x 8192 matrices of normal numbers, by cuBLAS
  double copy_gbps = 0;    // 10^9 bytes per second, read plus written, within device memory
};

Ceilings measure_ceilings(Stopwatch& stopwatch, Stream& stream);

}  // namespace ringattn::gpu
