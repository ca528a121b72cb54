#pragma once

#include <array>
#include <vector>

#include "reference/ring/sharding.h"

namespace ringattn {

// An element of a tensor (B, S, H, D).
struct Element {
  Index b = 0, row = 0, h = 0, d = 0;
  bool operator==(const Element&) const = default;
};

// The axes of a tensor in memory: its rows are those of several devices, and its heads may be in parts
enum MemoryAxis : Index { sequence_axis, device_axis, row_axis, part_axis, head_axis, channel_axis };
constexpr std::size_t memory_axes = 6;
using AxesOrder = std::array<Index, memory_axes>;  // outermost first

// A tensor whose shards are equal; with one device it is not sharded.
struct TensorMemory {
  Shape shape;
  const RowSharding& rows;
  Index parts = 1;  // of the heads

  std::array<Index, memory_axes> extents() const;
};

// Memory that is written with its axes in one order and read as if they were in another.
struct MemoryOrder {
  AxesOrder written, read;

  // The element that is found at a place
  Element source(const TensorMemory& memory, const Element& place) const;
};

// All orders with one side in the order of the axes above, and those of the axes _moved_ on the other side
std::vector<MemoryOrder> memory_orders(const std::vector<Index>& moved);

}  // namespace ringattn
