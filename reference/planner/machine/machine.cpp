#include "reference/planner/machine/machine.h"

namespace ringattn::planner {

CostModel Machine::cost(double flops_per_pair) const {
  CostModel cost;
  cost.ns_per_pair = 1e9 * work_seconds(1, flops_per_pair);
  if (spans_nodes()) cost.devices_per_node = group.per_node;
  const bool separate =
      node_link.own_link_for_each_neighbour && (!spans_nodes() || network.own_link_for_each_neighbour);
  if (separate) cost.two_way_devices = group.devices();
  if (links_take_no_time) return cost;
  cost.link_gbps = node_link.rate.gigabits_per_second();
  cost.link_latency_us = 1e6 * node_link.latency_seconds;
  cost.network_gbps = network.rate.gigabits_per_second();
  cost.network_latency_us = 1e6 * network.latency_seconds;
  return cost;
}

}  // namespace ringattn::planner
