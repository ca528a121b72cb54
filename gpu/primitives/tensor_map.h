#pragma once

#include <cuda.h>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// The TMA descriptor of matrices (heads, rows, columns) in global memory.
using TensorMap = CUtensorMap;

// Boxes of one head, _box_rows_ rows, and 64 columns of 16 bits
TensorMap make_tensor_map(const void* matrices, Element element, int heads, int rows, int columns,
                          int box_rows);

}  // namespace ringattn::gpu
