#pragma once

#include <optional>

#include "reference/planner/machine/machine.h"
#include "reference/planner/strategy/planned_pass.h"

namespace ringattn::planner {

// One pass of one layer: forward or backward.
struct PassCost {
  double bytes_sent = 0, messages = 0;       // by the device that sends most
  double node_bytes = 0, network_bytes = 0;  // by all devices, inside nodes and between nodes
  double peak_bytes = 0;                     // held by the device that holds most
  double seconds = 0;                        // until the last device is done
  double busy_seconds = 0;                   // arithmetic of all devices
  double exposed_seconds = 0;                // saved if messages took no time
};

// The cost of a strategy for one layer of attention.
struct StrategyCost {
  PassCost forward;
  std::optional<PassCost> backward;

  double seconds() const { return forward.seconds + (backward ? backward->seconds : 0); }
  double peak_bytes() const;
};

// The attention of one layer, and the machine that computes it.
struct AttentionWork {
  AttentionShape shape;
  ElementBytes bytes;
  Index position_bytes = 0;
  Layout layout = Layout::contiguous;
  Machine machine;
  bool backward = false;  // whether a backward pass follows
  bool overlap = true;    // messages travel during arithmetic where the strategy allows it

  LayerAttention layer() const { return {shape, bytes, position_bytes, layout, machine.group}; }
  // In the terms of the virtual clock, for both passes
  CostModel cost() const { return machine.cost(shape.forward_flops_per_pair()); }
};

// Requires that limit() is empty
StrategyCost strategy_cost(const PlannedStrategy& strategy, const AttentionWork& work);

// _count_ pieces of work, each of which needs a message first. With overlap the message of the next piece travels
// meanwhile (Helix, arXiv:2507.07120, figure 3)
double pipelined_seconds(double count, double work, double message, bool overlap);

}  // namespace ringattn::planner
