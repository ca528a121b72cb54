#pragma once

#include "reference/oracle/catalogue/backward_simulation.h"
#include "reference/oracle/catalogue/mistake.h"

namespace ringattn {

// What the mistakes of the backward have in common.

// The step at which the device of query _i_ holds the block of key _j_
int step_of(const Sharding& sharding, Index i, Index j);

// The row at the same place of another device; -1 where that device has none there
Index counterpart(const RowSharding& sharding, Index row, int device);

// Whether the mask hides all pairs of a device with the block of an owner, so that the device skips it
bool skipped(const BackwardSimulation& sim, const BackwardHead& head, int device, int owner);

// The last step at which a device computes something; -1 where it never does
int last_computed_step(const BackwardSimulation& sim, const BackwardHead& head, int device);

// For each key the number of its tile, when the block of each device is cut into tiles of _tile_ keys (0: a
// block is one tile). Tiles are numbered along the blocks.
std::vector<Index> tile_numbers(const RowSharding& keys, Index tile);

// Tiles of 16, 32, ... 256 keys, as far as they cut the largest block
Variants each_tile(const Simulation& sim);

// Which of the gradients a mistake touches
enum Touched : Index { dq_dk_dv, dq_dk, dk_dv, dq_only, dk_only, dv_only };
Variants each_touched(std::initializer_list<Touched> touched);
bool touches_dq(const Variant& variant);
bool touches_dk(const Variant& variant);
bool touches_dv(const Variant& variant);

// The weights that the variant touches
std::vector<Matrix<double>*> touched_weights(const Variant& variant, PairWeights& weights);

// Takes of _changed_ what the variant touches
void take_touched(const Variant& variant, const PairWeights& changed, PairWeights& weights);
Gradients<double> with_touched(const Variant& variant, const Gradients<double>& changed,
                               Gradients<double> gradients);

}  // namespace ringattn
