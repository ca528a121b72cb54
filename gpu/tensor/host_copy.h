#pragma once

#include <memory>

#include "gpu/runtime/stream.h"
#include "gpu/tensor/gpu_tensor.h"
#include "reference/definition/dtype.h"
#include "reference/definition/row_positions.h"

namespace ringattn::gpu {

// Copies to the GPU and back. All of them wait until the copy is complete.

// _tensor_ must be stored head after head. The copy is stored as _dtype_, with room for _rows_ rows
std::shared_ptr<GpuTensor> to_gpu(const Tensor<float>& tensor, Index rows, Dtype dtype, Stream& stream);

// Positions as 32-bit integers: (1, S, 1, 1)
std::shared_ptr<GpuTensor> positions_to_gpu(const RowPositions& positions, Index rows, Stream& stream);

// A tensor filled with NaN, so that reads before the first write show up in the results
std::shared_ptr<GpuTensor> uninitialized(const Shape& shape, Index bytes_per_element, Stream& stream);

// Uninitialized tensors like those of the block, with room for _rows_ rows each
GpuBlock buffers_like(const GpuBlock& block, Index rows, Stream& stream);

Tensor<float> from_gpu(const GpuTensor& tensor, Dtype dtype, Stream& stream);
// One head of one sequence: (1, S, 1, D)
Tensor<float> head_from_gpu(const GpuTensor& tensor, Dtype dtype, Index b, Index h, Stream& stream);

}  // namespace ringattn::gpu
