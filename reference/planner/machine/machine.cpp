#include "reference/planner/machine/machine.h"

namespace ringattn::planner {

const LinkType& Machine::link_after(int device) const {
  const bool last_of_node = (device + 1) % group.per_node == 0;
  return spans_nodes() && last_of_node ? network : node_link;
}

double Machine::transfer_seconds(const LinkType& link, double bytes) const {
  return links_take_no_time ? 0 : link.latency_seconds + bytes / link.rate.bytes_per_second();
}

std::vector<CostModel> Machine::costs(double flops_per_pair) const {
  std::vector<CostModel> costs;
  for (int device = 0; device < group.devices(); ++device) {
    const LinkType& link = link_after(device);
    CostModel cost;
    cost.ns_per_pair = 1e9 * work_seconds(1, flops_per_pair);
    if (!links_take_no_time)
      cost.link_gbps = link.rate.gigabits_per_second(), cost.link_latency_us = 1e6 * link.latency_seconds;
    costs.push_back(cost);
  }
  return costs;
}

}  // namespace ringattn::planner
