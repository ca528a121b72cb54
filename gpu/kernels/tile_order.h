#pragma once

#include <cuda_runtime.h>

namespace ringattn::gpu {

// The order in which blocks of threads that stay take tiles of queries: one group of heads after the other,
// and within a group the last queries first, which see most under a causal mask.
struct TileOrder {
  int tiles;   // of a head
  int heads;   // of all sequences and all devices
  int beside;  // heads of a group

  struct Tile {
    int head, n;
  };

  __host__ __device__ int all() const { return tiles * heads; }

  __host__ __device__ Tile operator[](int place) const {
    const int group = place / (tiles * beside), in_group = place % (tiles * beside);
    const int first = group * beside, size = heads - first < beside ? heads - first : beside;
    return {first + in_group % size, tiles - 1 - in_group / size};
  }
};

}  // namespace ringattn::gpu
