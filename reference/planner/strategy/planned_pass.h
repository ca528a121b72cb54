#pragma once

#include "reference/planner/strategy/counted_program.h"
#include "reference/planner/strategy/counting_link.h"
#include "reference/planner/strategy/planned_strategy.h"

namespace ringattn::planner {

// The attention of one layer on a group of devices.
struct LayerAttention {
  AttentionShape shape;
  ElementBytes bytes;
  Index position_bytes =
      0;  // of one row, in blocks that travel; 0: positions follow from the owner of a block
  Layout layout = Layout::contiguous;
  Group group;
};

// A pass of a strategy: what its devices hold and send. It runs the schedules, devices and ports of the engine with
// programs that count.
class PlannedPass {
 public:
  // Requires that limit() is empty
  PlannedPass(const PlannedStrategy& strategy, bool backward, const LayerAttention& layer);

  // Of the device that holds most
  Index peak_bytes() const;

  // Runs the pass in lockstep on the clocks of _recorders_, one for each device, with links of this speed. Returns what
  // each device sends
  std::vector<Sent> run(const CostModel& cost, bool overlap, Recorders& recorders) const;

 private:
  bool exchanges_heads() const {
    return options_.strategy == Strategy::usp || options_.strategy == Strategy::ulysses;
  }
  void run_programs(CountingLink& link, const RingOptions& ring) const;
  void run_exchange(CountingLink& link, const RingOptions& ring) const;

  StrategyOptions options_;
  LayerAttention layer_;
  CountedPass own_;                 // the rows of the devices, with all heads
  std::vector<CountedPass> rings_;  // those that run: two in a bidirectional ring
};

}  // namespace ringattn::planner
