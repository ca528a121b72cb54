#pragma once

#include <cstdint>

#include "reference/definition/layout.h"

namespace ringattn {

// A sample of min(count, N) distinct rows out of N, in ascending order: the first and the last row; first and last rows
// of the devices' shards, up to half of the sample; the others at random.
std::vector<Index> sample_rows(Index N, Index count, Layout layout, int devices, std::uint64_t seed);

}  // namespace ringattn
