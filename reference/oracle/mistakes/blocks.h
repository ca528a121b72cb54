#pragma once

#include <limits>

#include "reference/oracle/reading.h"
#include "reference/oracle/simulation.h"

namespace ringattn {

// What a row reads of one block of keys, and how two such readings are joined: the right way, beside which
// the mistakes of the online softmax and of the merge are told.

using Keys = std::vector<Index>;
using Tiles = std::vector<Keys>;

constexpr double nothing_seen = -std::numeric_limits<double>::infinity();

// The blocks in the order in which the device meets them, each cut into tiles of _tile_ keys (0: not cut)
std::vector<Tiles> tiled_blocks(const Simulation& sim, int device, Index tile, bool right_to_left = false);

// The same for every device
std::vector<std::vector<Tiles>> tiled_blocks_of_all(const Simulation& sim, Index tile,
                                                    bool right_to_left = false);

// Softmax over the visible ones of _keys_, as if there were no others; (0, -infinity) where there is none
RowWeights attend(const Row& row, const Keys& keys, Index Skv);

// log(exp(a) + exp(b)), -infinity where both are
double log_of_sum(double a, double b);

// (out, lse) <- exp(lse - lse') out + exp(lse_b - lse') out_b
void merge_rightly(RowWeights& merged, const RowWeights& block);

// Whether anything may be hidden from anyone
bool has_mask(const Simulation& sim);

// The keys of the largest shard
Index largest_block(const Simulation& sim);

// Those of the tile sizes that really cut a block
Readings smaller_tiles(const Simulation& sim, std::initializer_list<Index> sizes);

// The readings of both
Readings either(Readings some, const Readings& others);

// The value of a parameter that some readings of a mistake leave out
Index given(const Reading& reading, std::string_view name, Index otherwise);

}  // namespace ringattn
