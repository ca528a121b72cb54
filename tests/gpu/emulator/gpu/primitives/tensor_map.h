#pragma once

#include <cstdint>

#include "gpu/primitives/attention_step.h"

// gpu/primitives/tensor_map.h for the emulated device.
namespace ringattn::gpu {

struct TensorMap {
  const uint16_t* matrices;
  int heads, rows, columns, box_rows;
};

inline TensorMap make_tensor_map(const void* matrices, Element, int heads, int rows, int columns,
                                 int box_rows) {
  return {static_cast<const uint16_t*>(matrices), heads, rows, columns, box_rows};
}

}  // namespace ringattn::gpu
