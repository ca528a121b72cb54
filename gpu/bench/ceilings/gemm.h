#pragma once

#include "gpu/bench/stopwatch.h"

namespace ringattn::gpu {

// A product of 8192 x 8192 matrices of normal numbers in bf16, by cuBLAS: 10^12 operations per second. NaN
// without cuBLAS
double gemm_tflops(Stopwatch& stopwatch, Stream& stream);

}  // namespace ringattn::gpu
