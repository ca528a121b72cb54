#pragma once

#include "reference/definition/attention.h"
#include "reference/oracle/error_bound/precision.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// What a device of somebody's ring knew after a step: the attention of its rows to the keys it had met.
struct RingState {
  int step = 0, device = 0;
  AttentionOutput<double> attended;         // (B, rows of the device, Hq, Dv), and lse
  std::optional<int> kv_owner = {};  // whose block it says it met in this step
  Dtype stored = Dtype::f32, lse_stored = Dtype::f32;
};

// The verdict on one state.
struct StateVerdict {
  int step, device;
  int kv_owner;      // whose block was due
  bool right_block;  // whether it says so itself, or says nothing
  double ratio;      // its worst element, in tolerances
  bool right() const;
};

// Each state against the definition on the keys that were due by then, whatever the order within a block:
// those of the owners device, device - 1, ..., device - step. States of a step that meets no key at all are
// passed over. Sorted by step, then by device, so the first one that is not right is where it went wrong.
std::vector<StateVerdict> judge_states(const Problem<double>& problem, const Sharding& sharding,
                                      const ImplementationPrecision& declared, const std::vector<RingState>& states);

// The first that is not right; none: all are
const StateVerdict* first_wrong(const std::vector<StateVerdict>& states);

}  // namespace ringattn
