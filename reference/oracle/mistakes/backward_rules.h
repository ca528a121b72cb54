#pragma once

#include "reference/oracle/backward_simulation.h"
#include "reference/oracle/mistake.h"

namespace ringattn {

// What the mistakes of the backward have in common.

// The step at which the device of query _i_ holds the block of key _j_
int step_of(const Spread& spread, Index i, Index j);

// The row at the same place of another device; -1 where that device has none there
Index counterpart(const RowSpread& spread, Index row, int device);

// Whether the mask hides all pairs of a device with the block of an owner, so that the device skips it
bool skipped(const BackwardSimulation& sim, const BackwardHead& head, int device, int owner);

// The last step at which a device computes something; -1 where it never does
int last_computed_step(const BackwardSimulation& sim, const BackwardHead& head, int device);

// For each key the number of its tile, when the block of each device is cut into tiles of _tile_ keys (0: a
// block is one tile). Tiles are numbered along the blocks.
std::vector<Index> tile_numbers(const RowSpread& keys, Index tile);

// Tiles of 16, 32, ... 256 keys, as far as they cut the largest block
Readings each_tile(const Simulation& sim);

// Which of the gradients a mistake touches
enum Touched : Index { dq_dk_dv, dq_dk, dk_dv, dq_only, dk_only, dv_only };
Readings each_touched(std::initializer_list<Touched> touched);
bool touches_dq(const Reading& reading);
bool touches_dk(const Reading& reading);
bool touches_dv(const Reading& reading);

// The weights that the reading touches
std::vector<Matrix<double>*> touched_weights(const Reading& reading, PairWeights& weights);

// Takes of _changed_ what the reading touches
void take_touched(const Reading& reading, const PairWeights& changed, PairWeights& weights);
Gradients<double> with_touched(const Reading& reading, const Gradients<double>& changed,
                               Gradients<double> gradients);

}  // namespace ringattn
