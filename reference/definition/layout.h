#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// The distribution of the N rows of a sequence over the devices of the ring; device r of P = `devices` holds:
//   contiguous  chunk r of P               Ring Attention, arXiv:2310.01889
//   zigzag      chunks r and 2P-1-r of 2P  context parallelism of Llama 3, arXiv:2407.21783, section 3.3.2
//   striped     rows r, r + P, r + 2P, ... Striped Attention, arXiv:2311.09431
//
// Example: N = 8 rows, P = 2 devices; the digit is the device that holds the row.
//
//   row         0 1 2 3 4 5 6 7
//   contiguous  0 0 0 0 1 1 1 1    causal: device 1 has far more visible pairs than device 0
//   zigzag      0 0 1 1 1 1 0 0    causal: both devices have equal work, early rows balance late rows
//   striped     0 1 0 1 0 1 0 1    causal: nearly equal work in every pair of blocks
enum class Layout { contiguous, zigzag, striped };
inline constexpr std::array all_layouts = {Layout::contiguous, Layout::zigzag, Layout::striped};

// "contiguous", "zigzag", "striped"
const char* name(Layout layout);
std::vector<std::string> layout_names();

// Throws BadInput if there is no layout of that name
Layout parse_layout(std::string_view name);

// The rows [begin, end) of a sequence, a shard or a tile.
struct RowRange {
  Index begin = 0, end = 0;

  Index size() const { return end - begin; }
  bool operator==(const RowRange&) const = default;
};

// Chunk c of n over N rows: [floor(c N / n), floor((c + 1) N / n)). For any n and N the chunks cover every row once.
RowRange chunk(Index c, Index n, Index N);

// The number of rows of a device, and of the largest shard
Index shard_rows(Layout layout, int device, int devices, Index N);
Index largest_shard(Layout layout, int devices, Index N);

// The rows of device _device_, out of N, in ascending order; may be empty
std::vector<Index> rows_of_device(Layout layout, int device, int devices, Index N);

}  // namespace ringattn
