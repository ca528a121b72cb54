#pragma once

#include "reference/planner/machine/group.h"
#include "reference/planner/machine/hardware.h"
#include "reference/trace/event.h"

namespace ringattn::planner {

// A group of devices with the rates that they reach in practice.
struct Machine {
  Group group;
  double flops = 1;             // operations per second of one device
  LinkType node_link, network;  // of one device, with the rate that messages reach
  bool links_take_no_time = false;

  bool spans_nodes() const { return group.nodes > 1; }

  // In the terms of the virtual clock
  CostModel cost(double flops_per_pair) const;

  // The time of _flops_per_pair_ operations for each pair
  double work_seconds(double pairs, double flops_per_pair) const { return pairs * flops_per_pair / flops; }
};

}  // namespace ringattn::planner
