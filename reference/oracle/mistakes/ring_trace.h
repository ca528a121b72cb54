#pragma once

#include <functional>

#include "reference/oracle/mistakes/blocks.h"

namespace ringattn {

constexpr int no_owner = -1;

// What a device attends to at one step: the owners of its keys, its values and its positions (for the mask). They
// are equal in a correct ring. A mistake makes them differ; row n of one block is then paired with row n of the
// others.
struct Visit {
  int K, V, positions;  // owners; no_owner means a block of zeros
  int times = 1;
  Index begin = 0, end = INT64_MAX;  // rows of the block that are attended to

  void skip() { times = 0; }
};

// The whole block of an owner
inline Visit visit_to(int owner) { return {owner, owner, owner}; }

// The visits of every device, in step order. A ring mistake is a trace that differs from the correct one.
using RingTrace = std::vector<std::vector<Visit>>;

RingTrace correct_ring_trace(const Sharding& sharding);

// The correct trace, modified by change(device, step, visit) for every visit
using Override = std::function<void(int, int, Visit&)>;
RingTrace with_overrides(const Sharding& sharding, const Override& change);

// Attention in which every row attends to the visits of its device
AttentionOutput<double> attend_along_trace(const RingTrace& trace, const Simulation& sim);

// The same with a trace for each row, such as that of the ring to which its head belongs
using TraceOfRow = std::function<const RingTrace&(const QueryRow&)>;
AttentionOutput<double> attend_along_traces(const TraceOfRow& trace_of, const Simulation& sim);

// Whether a device may attend to any key of a block, judged by the ranges of positions and segments: a program
// skips the block if not
bool may_see(const Simulation& sim, int device, int owner);

}  // namespace ringattn
