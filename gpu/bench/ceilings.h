#pragma once

#include "gpu/bench/stopwatch.h"

namespace ringattn::gpu {

// What this GPU reaches where it has nothing else to do: what attention is measured by.
struct Ceilings {
  double gemm_tflops = 0;  // a product of 8192 x 8192 matrices in bf16, of normal numbers, by cuBLAS
  double copy_gbps = 0;    // 10^9 bytes a second, read and written, within the memory of the GPU
};

Ceilings measure_ceilings(Stopwatch& stopwatch, Stream& stream);

}  // namespace ringattn::gpu
