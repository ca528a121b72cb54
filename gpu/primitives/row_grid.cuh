#pragma once

#include <cuda_runtime.h>

namespace ringattn::gpu {

// Kernels with a warp for each row of all heads, whose lanes share its columns.
constexpr int row_warps = 4, row_threads = 32 * row_warps;

// The row of this warp, over all heads
__device__ inline size_t row_of_warp() { return size_t(blockIdx.x) * row_warps + threadIdx.x / 32; }

// A block for so many rows as it has warps, and a layer of them for each device
inline dim3 row_grid(size_t rows, int devices) {
  return dim3(static_cast<unsigned>((rows + row_warps - 1) / row_warps), 1, devices);
}

}  // namespace ringattn::gpu
