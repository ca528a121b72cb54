#pragma once

#include <memory>

#include "gpu/tensor/gpu_tensor.h"
#include "gpu/runtime/stream.h"
#include "reference/definition/dtype.h"
#include "reference/definition/row_positions.h"

namespace ringattn::gpu {

// To the GPU and back. Each waits until it is done.

// _tensor_ lies head after head; stored as _dtype_, with room for _rows_ rows
std::shared_ptr<GpuTensor> to_gpu(const Tensor<float>& tensor, Index rows, Dtype dtype, Stream& stream);

// The positions of the positions, as 32-bit integers: (1, S, 1, 1)
std::shared_ptr<GpuTensor> positions_to_gpu(const RowPositions& positions, Index rows, Stream& stream);

// A tensor whose numbers nobody has written yet: NaN, so that whoever reads them is found out
std::shared_ptr<GpuTensor> uninitialized(const Shape& shape, Index bytes_per_element, Stream& stream);

// Unwritten tensors such as those of the block, with room for _rows_ rows each
GpuBlock buffers_like(const GpuBlock& block, Index rows, Stream& stream);

Tensor<float> from_gpu(const GpuTensor& tensor, Dtype dtype, Stream& stream);
// One head of one sequence: (1, S, 1, D)
Tensor<float> head_from_gpu(const GpuTensor& tensor, Dtype dtype, Index b, Index h, Stream& stream);

}  // namespace ringattn::gpu
