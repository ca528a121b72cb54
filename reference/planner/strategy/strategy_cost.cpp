#include "reference/planner/strategy/strategy_cost.h"

#include <algorithm>

namespace ringattn::planner {

namespace {

// Runs the pass, and returns the time of the last device
double run_seconds(const PlannedPass& pass, const CostModel& cost, bool overlap, std::vector<Sent>& sent) {
  Recorders clocks;
  for (int device = 0; device < static_cast<int>(sent.size()); ++device) clocks.emplace_back(device, cost);
  sent = pass.run(cost, overlap, clocks);
  double end = 0;
  for (const Recorder& clock : clocks) end = std::max(end, clock.now());
  return 1e-9 * end;
}

PassCost pass_cost(const PlannedStrategy& strategy, bool backward, const AttentionWork& work) {
  const PlannedPass pass(strategy, backward, work.layer());
  const double flops = backward ? work.shape.backward_flops_per_pair() : work.shape.forward_flops_per_pair();
  std::vector<Sent> sent(static_cast<std::size_t>(work.machine.group.devices()));
  PassCost cost;
  AttentionWork ideal = work;
  ideal.machine.links_take_no_time = true;
  cost.exposed_seconds = -run_seconds(pass, ideal.cost(), work.overlap, sent);
  cost.seconds = run_seconds(pass, work.cost(), work.overlap, sent);
  cost.exposed_seconds += cost.seconds;
  cost.busy_seconds = work.machine.work_seconds(visible_pairs(work.shape), flops);
  cost.peak_bytes = static_cast<double>(pass.peak_bytes());
  for (const Sent& device : sent) {
    cost.bytes_sent = std::max(cost.bytes_sent, static_cast<double>(device.bytes()));
    cost.messages = std::max(cost.messages, static_cast<double>(device.messages));
    cost.node_bytes += static_cast<double>(device.node_bytes);
    cost.network_bytes += static_cast<double>(device.network_bytes);
  }
  return cost;
}

}  // namespace

double StrategyCost::peak_bytes() const {
  return std::max(forward.peak_bytes, backward ? backward->peak_bytes : 0.0);
}

StrategyCost strategy_cost(const PlannedStrategy& strategy, const AttentionWork& work) {
  StrategyCost cost{pass_cost(strategy, false, work), {}};
  if (work.backward) cost.backward = pass_cost(strategy, true, work);
  return cost;
}

double pipelined_seconds(double count, double work, double message, bool overlap) {
  if (!overlap) return count * (work + message);
  return count * std::max(work, message) + std::min(work, message);
}

}  // namespace ringattn::planner
