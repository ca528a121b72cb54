#pragma once

#include "reference/planner/strategy/ring_pass.h"
#include "reference/planner/strategy/strategy_cost.h"

namespace ringattn::planner {

// The pass around the ring that a strategy makes, or that moves the same tensors
RingPassKind ring_pass_kind(Strategy strategy, bool backward);

// The shape after an all-to-all among _degree_ devices: all rows of the group, a part of the heads. K/V heads are
// replicated if there are too few
AttentionShape resharded(const AttentionShape& shape, int degree);

// Bytes that a device sends in the all-to-all exchanges of Ulysses (arXiv:2309.14509) of one pass. Forward: Q, K, V
// there and O back, (2 + 2g) X (u - 1)/u; backward: dO there and dQ, dK, dV back, as many
double all_to_all_bytes(const AttentionWork& work, int degree);

// Fills in the bytes and the peak memory of a pass
void add_bytes(Strategy strategy, bool backward, const AttentionWork& work, PassCost& cost);

}  // namespace ringattn::planner
