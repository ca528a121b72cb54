#pragma once

#include "reference/ring/device.h"

namespace ringattn {

// The element type of a planned run: the devices, ports and schedules of the engine with blocks that have extents and no
// tensors.
struct NoNumbers {};

// A block of some rows of some heads.
template <>
struct Block<NoNumbers> {
  int owner = -1;
  Index rows = 0, heads = 0;
  Index head_bytes = 0;      // of one row of one head: all tensors, all sequences
  Index position_bytes = 0;  // of one row: all sequences

  bool empty() const { return owner < 0; }
  Index bytes() const { return rows * (heads * head_bytes + position_bytes); }
};

// For check_shapes of ring/device.h: there are no tensors
inline std::vector<Shape> shapes_of(const Block<NoNumbers>&) { return {}; }

}  // namespace ringattn
