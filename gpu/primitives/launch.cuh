#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "gpu/primitives/attention_step.h"
#include "gpu/primitives/element.cuh"
#include "gpu/runtime/status.h"

namespace ringattn::gpu {

// A block for each tile of _tile_rows_ queries, each head of each sequence, each device
template <class Step>
dim3 query_grid(const Step& step, int tile_rows) {
  int rows = 0;
  for (int d = 0; d < step.devices; ++d) rows = std::max(rows, step.device[d].q_rows);
  return dim3((rows + tile_rows - 1) / tile_rows, step.B * step.H, step.devices);
}

// The same for keys and their heads
template <class Step>
dim3 key_grid(const Step& step, int tile_rows) {
  int rows = 0;
  for (int d = 0; d < step.devices; ++d) rows = std::max(rows, step.device[d].kv_rows);
  return dim3((rows + tile_rows - 1) / tile_rows, step.B * step.Hkv, step.devices);
}

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

// Of the device in use
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

// Runs _kernel_ with so many bytes of shared memory; nothing where the grid is empty
template <class Kernel, class... Arguments>
void launch(Kernel* kernel, dim3 grid, int threads, int shared_bytes, cudaStream_t stream,
            const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  CHECK_CUDA(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                  cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  cudaLaunchConfig_t config{};
  config.gridDim = grid, config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes, config.stream = stream;
  CHECK_CUDA(cudaLaunchKernelEx(&config, kernel, arguments...));
}

}  // namespace ringattn::gpu
