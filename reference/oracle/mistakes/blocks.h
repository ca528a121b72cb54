#pragma once

#include <limits>

#include "reference/oracle/catalogue/simulation.h"
#include "reference/oracle/catalogue/variant.h"

namespace ringattn {

// What a row reads of one block of keys, and how two such results are joined: the right way, beside which
// the mistakes of the online softmax and of the merge are told.

using Keys = std::vector<Index>;
using Tiles = std::vector<Keys>;

// The blocks in the order in which the device meets them, each cut into tiles of _tile_ keys (0: not cut)
std::vector<Tiles> tiled_blocks(const Simulation& sim, int device, Index tile, bool right_to_left = false);

// The same for every device
std::vector<std::vector<Tiles>> tiled_blocks_of_all(const Simulation& sim, Index tile,
                                                    bool right_to_left = false);

// Softmax over the visible ones of _keys_, as if there were no others; (0, -infinity) where there is none
RowWeights attend(const QueryRow& row, const Keys& keys, Index Skv);

// log(exp(a) + exp(b)), -infinity where both are
double log_of_sum(double a, double b);

// (out, lse) <- exp(lse - lse') out + exp(lse_b - lse') out_b
void correct_merge(RowWeights& merged, const RowWeights& block);

// Whether anything may be hidden from anyone
bool has_mask(const Simulation& sim);

// The keys of the largest shard
Index largest_block(const Simulation& sim);

// Those of the tile sizes that really cut a block
Variants smaller_tiles(const Simulation& sim, std::initializer_list<Index> sizes);

// The variants of both
Variants either(Variants some, const Variants& others);

// The value of a parameter that some variants of a mistake leave out
Index given(const Variant& variant, std::string_view name, Index otherwise);

}  // namespace ringattn
