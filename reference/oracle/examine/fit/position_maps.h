#pragma once

#include <string>
#include <vector>

#include "reference/ring/sharding.h"

namespace ringattn {

// Positions p(n) that an implementation may take token n for, if it mixes up local and global rows or layouts.
//   device   the number of its device
//   place    its place within the rows of its device
//   block    n mod _length_
//   slot     the position that slot n has in a layout over _devices_ devices
//   holder   the slot that holds position n in that layout
struct PositionMap {
  std::string subject = {};
  Layout layout = Layout::contiguous;
  Index n = 0;  // length, or devices
  std::vector<Index> position = {};
};

std::vector<PositionMap> position_maps(const RowSharding& rows, Index length);

}  // namespace ringattn
