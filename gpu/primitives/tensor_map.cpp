#include "gpu/primitives/tensor_map.h"

#include <cuda_runtime.h>

#include "gpu/runtime/status.h"

namespace ringattn::gpu {

namespace {

// A function of the driver, found at run time: so nothing has to be linked with the driver, and a machine
// without one can start the program
auto encode_tiled() {
  static const auto found = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult result{};
    CHECK_CUDA(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault,
                                                &result));
    if (result != cudaDriverEntryPointSuccess || !function)
      throw GpuError(
          "[gpu] the TMA needs a driver for CUDA 12 or later; found an older one; update the driver");
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
  }();
  return found;
}

}  // namespace

TensorMap make_tensor_map(const void* matrices, Element element, int heads, int rows, int columns,
                          int box_rows) {
  TensorMap map{};
  if (rows == 0) return map;  // no box will be copied
  const cuuint64_t width = static_cast<cuuint64_t>(columns), height = static_cast<cuuint64_t>(rows);
  const cuuint64_t extents[] = {width, height, static_cast<cuuint64_t>(heads)};
  const cuuint64_t strides[] = {2 * width, 2 * width * height};  // bytes, from the second extent on
  const cuuint32_t box[] = {64, static_cast<cuuint32_t>(box_rows), 1}, steps[] = {1, 1, 1};
  const CUresult result = encode_tiled()(
      &map, element == Element::bf16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 3,
      const_cast<void*>(matrices), extents, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
      CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    throw GpuError("[gpu] cuTensorMapEncodeTiled refuses " + std::to_string(heads) + " x " +
                   std::to_string(rows) + " x " + std::to_string(columns) + " with error " +
                   std::to_string(result));
  return map;
}

}  // namespace ringattn::gpu
