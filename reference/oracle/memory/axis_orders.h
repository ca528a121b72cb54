#pragma once

#include <vector>

#include "reference/definition/tensor.h"

namespace ringattn {

// A row of a tensor (B, S, H, D): of a head of a sequence.
struct RowPlace {
  Index b = 0, h = 0, row = 0;
  bool operator==(const RowPlace&) const = default;
};

// Memory of rows that is written with its axes in one order and read as if they were in another. The axes are
//   0 sequence, 1 row, 2 head;  or 0 sequence, 1 row, 3 K/V head, 4 member of its group
struct AxisOrder {
  std::vector<Index> written, read;  // axes, outermost first
  Index B = 0, S = 0, H = 0, group = 1;

  // The place whose content is found at a place
  RowPlace source(const RowPlace& place) const;
};

// All orders that move a row of a tensor of this shape; those of three axes first
std::vector<AxisOrder> axis_orders(Index B, Index S, Index H, Index group);

}  // namespace ringattn
