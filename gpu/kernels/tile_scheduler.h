#pragma once

#include <cuda_runtime.h>

#include "gpu/runtime/device_buffer.h"
#include "gpu/runtime/stream.h"

namespace ringattn::gpu {

// The order in which the persistent thread blocks of rung 7 process the tiles of queries: one group of heads after the
// other, so that the keys of a group stay in the L2 cache; within a group the last queries first, because they have
// the most visible keys under a causal mask.
//
//   heads_per_group = 2, tiles = 3:   head 0 tile 2, head 1 tile 2, head 0 tile 1, ..., head 2 tile 2, ...
struct TileScheduler {
  int tiles;  // of one head
  int heads;  // of all sequences and all devices
  int heads_per_group;

  struct Tile {
    int head, n;
  };

  __host__ __device__ int count() const { return tiles * heads; }

  // The tile at a place of this order
  __host__ __device__ Tile operator[](int index) const {
    const int group = index / (tiles * heads_per_group), in_group = index % (tiles * heads_per_group);
    const int first = group * heads_per_group,
              size = heads - first < heads_per_group ? heads - first : heads_per_group;
    return {first + in_group % size, tiles - 1 - in_group / size};
  }
};

// The counter from which persistent thread blocks claim tiles, in the memory of the GPU. It is 0 between launches, all
// of which are on one stream.
class TileCounter {
 public:
  explicit TileCounter(Stream& stream) : memory_(sizeof(unsigned)) {
    stream.fill(memory_.data(), 0, memory_.bytes());
  }
  unsigned* data() { return static_cast<unsigned*>(memory_.data()); }

 private:
  DeviceBuffer memory_;
};

}  // namespace ringattn::gpu
