#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "gpu/primitives/attention_step.h"
#include "gpu/primitives/element.cuh"
#include "gpu/runtime/status.h"

namespace ringattn::gpu {

// ---- Grids: a thread block for each tile of rows, each head of each sequence, each device ----

// Tiles of _tile_rows_ queries, and query heads
template <class Step>
dim3 query_grid(const Step& step, int tile_rows) {
  int rows = 0;
  for (int d = 0; d < step.devices; ++d) rows = std::max(rows, step.device[d].q_rows);
  return dim3((rows + tile_rows - 1) / tile_rows, step.B * step.H, step.devices);
}

// Tiles of keys, and the heads of K and V
template <class Step>
dim3 key_grid(const Step& step, int tile_rows) {
  int rows = 0;
  for (int d = 0; d < step.devices; ++d) rows = std::max(rows, step.device[d].kv_rows);
  return dim3((rows + tile_rows - 1) / tile_rows, step.B * step.Hkv, step.devices);
}

// ---- Kernels with one warp for each row of all heads; its lanes share the columns ----

constexpr int row_warps = 4, row_threads = 32 * row_warps;

// The row of this warp, counted over all heads
__device__ inline size_t row_of_warp() { return size_t(blockIdx.x) * row_warps + threadIdx.x / 32; }

// A thread block for every _row_warps_ rows, and one layer of them for each device
inline dim3 row_grid(size_t rows, int devices) {
  return dim3(static_cast<unsigned>((rows + row_warps - 1) / row_warps), 1, devices);
}

// ---- Launches ----

// Calls f with a value of the C++ type that stores _element_
template <class F>
void dispatch_element(Element element, F&& f) {
  switch (element) {
    case Element::f32:
      return f(float());
    case Element::bf16:
      return f(bf16());
    case Element::f16:
      return f(f16());
  }
}

// An attribute of the current device
inline int device_attribute(cudaDeviceAttr which) {
  int device = 0, value = 0;
  CHECK_CUDA(cudaGetDevice(&device));
  CHECK_CUDA(cudaDeviceGetAttribute(&value, which, device));
  return value;
}

// Calls f<T, d>() for the elements and columns that the tensor cores multiply: bf16 or f16, 64 or 128
template <class Step, class F>
void dispatch_16_bit_tiles(const Step& step, F&& f) {
  const auto dispatch_columns = [&]<class T>() {
    return step.d == 64 ? f.template operator()<T, 64>() : f.template operator()<T, 128>();
  };
  return step.element == Element::bf16 ? dispatch_columns.template operator()<bf16>()
                                       : dispatch_columns.template operator()<f16>();
}

// Launches _kernel_ with _shared_bytes_ of dynamic shared memory. An empty grid launches nothing
template <class Kernel, class... Arguments>
void launch(Kernel* kernel, dim3 grid, int block_threads, int shared_bytes, cudaStream_t stream,
            const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  CHECK_CUDA(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                  cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  cudaLaunchConfig_t config{};
  config.gridDim = grid, config.blockDim = dim3(block_threads);
  config.dynamicSmemBytes = shared_bytes, config.stream = stream;
  CHECK_CUDA(cudaLaunchKernelEx(&config, kernel, arguments...));
}

}  // namespace ringattn::gpu
