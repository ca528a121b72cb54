#pragma once

namespace ringattn::gpu {

// How tensor cores hold 16 rows of a matrix in a warp, be they scores or O: lane 4 g + t has, of each 8
// columns, the columns 2t and 2t + 1 of the rows g and g + 8. X[n][2 half + e] is the element in row
// g + 8 half, column 8 n + 2 t + e. The four warps of a warpgroup hold 64 rows, one below the other.
template <int columns>
using Fragment = float[columns / 8][4];

}  // namespace ringattn::gpu
