#pragma once

#include <limits>

#include "reference/oracle/catalogue/simulation.h"
#include "reference/oracle/catalogue/variant.h"

namespace ringattn {

// Correct attention of one row to one block of keys, and the correct merge of two such results. The mistakes of
// the online softmax and of the merge are variations of these functions.

using Keys = std::vector<Index>;
using Tiles = std::vector<Keys>;

// The blocks in the order in which _device_ attends to them, each divided into tiles of _tile_ keys (0: one tile)
std::vector<Tiles> tiled_blocks(const Simulation& sim, int device, Index tile, bool right_to_left = false);

// The same for every device, by device index
std::vector<std::vector<Tiles>> tiled_blocks_of_all(const Simulation& sim, Index tile,
                                                    bool right_to_left = false);

// Softmax over the visible keys among _keys_ alone; weights 0 and lse = -infinity if none is visible
RowWeights attend(const QueryRow& row, const Keys& keys, Index Skv);

// log(exp(a) + exp(b)); -infinity if both are -infinity
double log_of_sum(double a, double b);

// Merges a block into the accumulated result:
//   lse_new = log(exp(lse) + exp(lse_b))   out = exp(lse - lse_new) out + exp(lse_b - lse_new) out_b
void correct_merge(RowWeights& merged, const RowWeights& block);

// Whether any pair may be masked: by causality, a window or documents
bool has_mask(const Simulation& sim);

// The number of keys of the largest shard
Index largest_block(const Simulation& sim);

// One variant per tile size that is smaller than the largest block
Variants smaller_tiles(const Simulation& sim, std::initializer_list<Index> sizes);

// The variants of all lists, in order
Variants concatenate(std::initializer_list<Variants> lists);

// The variant of a mistake without parameters that needs at least two devices
inline Variants on_several_devices(const Simulation& sim) {
  return only_if(sim.devices() > 1, single_variant());
}

// The value of an optional parameter; _otherwise_ if the variant lacks it
Index given(const Variant& variant, std::string_view name, Index otherwise);

}  // namespace ringattn
