#pragma once

#include <cstdint>

#include "reference/definition/layout.h"

namespace ringattn {

// _count_ of N rows, ascending, all of them where there are not more: the first and the last, the borders of
// the devices' shards as far as half of the count goes, the rest at random.
std::vector<Index> sample_rows(Index N, Index count, Layout layout, int devices, std::uint64_t seed);

}  // namespace ringattn
