#pragma once

#include <optional>
#include <vector>

#include "reference/oracle/examine/fit/block_relation.h"

namespace ringattn {

// Which blocks the elements of a block belong to: for each device and block, the blocks of _right_ whose sum _found_
// holds there; a BlockValue for each of them, with the source as value. None if a block is no such sum, or if all
// blocks hold their own elements.
std::optional<std::vector<BlockValue>> block_sources(const Sharding& sharding, const Matrix<double>& found,
                                                     const Matrix<double>& right,
                                                     const Matrix<double>& allowed);

}  // namespace ringattn
