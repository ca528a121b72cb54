#pragma once

#include <string_view>
#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// How the rows of a sequence are dealt out to the devices of the ring.
//   contiguous  device r has chunk r of P                       (Ring Attention, arXiv:2310.01889)
//   zigzag      device r has chunks r and 2P-1-r of 2P           balances causal masks
//   striped     device r has the rows r, r + P, r + 2P, ...      (Striped Attention, arXiv:2311.09431)
enum class Layout { contiguous, zigzag, striped };

// "contiguous", "zigzag", "striped"
const char* name(Layout layout);

// Throws BadInput where there is none of that name
Layout parse_layout(std::string_view name);

struct RowRange {
  Index begin = 0, end = 0;

  Index size() const { return end - begin; }
  bool operator==(const RowRange&) const = default;
};

// Chunk c of n over N rows: [floor(c N / n), floor((c + 1) N / n)); the chunks tile the rows whatever n and N
// are
RowRange chunk(Index c, Index n, Index N);

// The rows of the device that has most
Index largest_shard(Layout layout, int devices, Index N);

// The rows of device _device_ out of N, ascending; may be empty
std::vector<Index> rows_of_device(Layout layout, int device, int devices, Index N);

}  // namespace ringattn
