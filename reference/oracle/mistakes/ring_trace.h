#pragma once

#include <functional>

#include "reference/oracle/mistakes/blocks.h"

namespace ringattn {

constexpr int no_owner = -1;

// What a device attends to at one step: the keys, the values and the positions (for the mask) of one block. A
// mistake mixes them up, and then row n of each goes with row n of the others.
struct Visit {
  int K, V, positions;  // whose; K of no_owner are zeros, and so are V
  int times = 1;
  Index begin = 0, end = INT64_MAX;  // only these rows of the block

  void skip() { times = 0; }
};

// The whole block of an owner
inline Visit visit_to(int owner) { return {owner, owner, owner}; }

// What every device attends to, in the order of the steps: the ring as a list of visits. Every mistake of the
// ring is another list.
using RingTrace = std::vector<std::vector<Visit>>;

RingTrace correct_ring_trace(const Sharding& sharding);

// The right trace after change(device, step, visit) for every visit
using Override = std::function<void(int, int, Visit&)>;
RingTrace with_overrides(const Sharding& sharding, const Override& change);

// Softmax over everything that the device of a row visits
AttentionOutput<double> attend_along_trace(const RingTrace& trace, const Simulation& sim);

// Whether the mask may leave anything of the block to a device, by the ranges of positions and segments
bool may_see(const Simulation& sim, int device, int owner);

}  // namespace ringattn
