#pragma once

#include <vector>

#include "reference/ring/sharding.h"

namespace ringattn {

// A value that belongs to a device and a block of the ring.
struct BlockValue {
  Index device = 0, block = 0;
  double value = 0;
};

// A set of pairs (device, block) as one of the relations that a ring knows. step n: the block that is on the device at
// step n; block n: of every device.
struct BlockRelation {
  enum Kind { list, own, step, all_but_own, lower, higher, own_and_lower, own_and_higher, block };
  Kind kind = list;
  Index n = 0;
};

// The narrowest relation that holds exactly for _pairs_ among the pairs _valid_; otherwise a list
BlockRelation relation_of(const std::vector<BlockValue>& pairs, const std::vector<BlockValue>& valid,
                          Index devices);

// The rows and keys of each pair of a device and a block of the ring, or of tiles.
struct BlockRows {
  Index device = 0, block = 0;
  std::vector<Index> rows, keys;
};
std::vector<BlockRows> ring_blocks(const Sharding& sharding);

// Pairs of tiles: the rows and the keys of each list are cut into tiles of _tile_
std::vector<BlockRows> tile_blocks(Index tile, const std::vector<std::vector<Index>>& rows,
                                   const std::vector<std::vector<Index>>& keys);

}  // namespace ringattn
