#pragma once

#include "reference/oracle/catalogue/backward_simulation.h"
#include "reference/oracle/catalogue/mistake.h"

namespace ringattn {

// Helpers of the mistakes of the backward.

// The step at which the device of query _i_ holds the block of key _j_
int step_of(const Sharding& sharding, Index i, Index j);

// The row with the same local index on another device; -1 if that device has none
Index counterpart(const RowSharding& sharding, Index row, int device);

// The rows that have the same local index on the device other(device); 0 where that device has none
Tensor<double> rows_of_other_devices(const Tensor<double>& source, const RowSharding& sharding,
                                     const std::function<int(int)>& other);

// Whether the block of _owner_ is fully masked for a device, so that the device skips it
bool skipped(const BackwardSimulation& sim, const BackwardHead& head, int device, int owner);

// The last step at which a device does not skip its block; -1 if there is none
int last_computed_step(const BackwardSimulation& sim, const BackwardHead& head, int device);

// (Skv) the number of each key's tile, if the block of each device is divided into tiles of _tile_ keys (0: one
// tile per block). Tiles are numbered block by block.
std::vector<Index> tile_numbers(const RowSharding& keys, Index tile);

// One variant per tile size of 16, 32, ... 256 keys that is smaller than the largest block
Variants each_tile(const Simulation& sim);

// One hop too few or too many on the way of a gradient to its owner; none on a single device
Variants each_wrong_hop(const Simulation& sim);

// The gradients that a mistake affects
enum Touched : Index { dq_dk_dv, dq_dk, dk_dv, dq_only, dk_only, dv_only };
Variants each_touched(std::initializer_list<Touched> touched);
bool touches_dq(const Variant& variant);
bool touches_dk(const Variant& variant);
bool touches_dv(const Variant& variant);

// The pair weights that the variant affects
std::vector<Matrix<double>*> touched_weights(const Variant& variant, PairWeights& weights);

// Copies from _changed_ what the variant affects
void take_touched(const Variant& variant, const PairWeights& changed, PairWeights& weights);
Gradients<double> with_touched(const Variant& variant, const Gradients<double>& changed,
                               Gradients<double> gradients);

}  // namespace ringattn
