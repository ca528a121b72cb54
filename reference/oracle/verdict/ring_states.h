#pragma once

#include "reference/definition/attention.h"
#include "reference/oracle/error_bound/precision.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// An intermediate result of a submitted ring: the attention of a device's rows to the keys of the steps 0 .. step.
struct RingState {
  int step = 0, device = 0;
  AttentionOutput<double> attended;  // out (B, rows of the device, Hq, Dv) and lse
  std::optional<int> kv_owner = {};  // the owner of the block of this step, if the submission names it
  Dtype stored = Dtype::f32, lse_stored = Dtype::f32;
};

// The verdict on one state.
struct StateVerdict {
  int step, device;
  int kv_owner;      // the owner of the block that the schedule assigns to the step
  bool right_block;  // false if the submission names another owner
  double ratio;      // the largest error, in tolerances
  bool right() const;
};

// Compares each state with the definition on the keys of the blocks of steps 0 .. step, in any order within a block:
// those of the owners device, device - 1, ..., device - step (mod P). States before any key has arrived are skipped.
// The result is sorted by step, then by device, so the first incorrect state shows where the ring went wrong.
std::vector<StateVerdict> judge_states(const Problem<double>& problem, const Sharding& sharding,
                                       const ImplementationPrecision& declared,
                                       const std::vector<RingState>& states);

// The first incorrect state; nullptr if all are correct
const StateVerdict* first_wrong(const std::vector<StateVerdict>& states);

}  // namespace ringattn
