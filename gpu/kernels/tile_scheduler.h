#pragma once

#include <cuda_runtime.h>

namespace ringattn::gpu {

// The order in which blocks of threads that stay take tiles of queries: one group of heads after the other,
// and within a group the last queries first, which see most under a causal mask.
struct TileScheduler {
  int tiles;   // of a head
  int heads;   // of all sequences and all devices
  int heads_per_group;  // heads of a group

  struct Tile {
    int head, n;
  };

  __host__ __device__ int count() const { return tiles * heads; }

  __host__ __device__ Tile operator[](int index) const {
    const int group = index / (tiles * heads_per_group), in_group = index % (tiles * heads_per_group);
    const int first = group * heads_per_group, size = heads - first < heads_per_group ? heads - first : heads_per_group;
    return {first + in_group % size, tiles - 1 - in_group / size};
  }
};

}  // namespace ringattn::gpu
