#include "reference/planner/strategy/hiding.h"

#include <algorithm>

namespace ringattn::planner {

namespace {

// g
double kv_share(const AttentionShape& shape) {
  return static_cast<double>(shape.kv_heads) / static_cast<double>(shape.heads);
}

}  // namespace

double HidingBlock::forward(const AttentionShape& shape) const {
  return (causal ? 1 : 0.5) * input_bytes * kv_share(shape) * flops / bytes_per_second;
}

double HidingBlock::backward(const AttentionShape& shape, double gradient_bytes) const {
  return forward(shape) * (1 + gradient_bytes / input_bytes) / CostModel::backward_cost_ratio;
}

std::optional<double> smallest_hiding_block(const PlannedStrategy& strategy, const AttentionWork& work,
                                            bool backward) {
  const Machine& machine = work.machine;
  const Group& group = machine.group;
  const auto block = [&](const LinkType& link) {
    const HidingBlock condition{machine.flops, link.rate.bytes_per_second(),
                                static_cast<double>(work.bytes.input),
                                work.shape.mask.causal && work.layout != Layout::contiguous};
    return backward ? condition.backward(work.shape, static_cast<double>(work.bytes.gradient))
                    : condition.forward(work.shape);
  };
  const double node = block(machine.node_link), network = machine.spans_nodes() ? block(machine.network) : 0;
  if (group.devices() == 1 || strategy.rotation(backward) == Rotation::q) return {};
  switch (strategy.strategy) {
    case Strategy::ring:
    case Strategy::bidirectional:
      return std::max(group.per_node > 1 ? node : 0, network);
    case Strategy::usp:
      return std::max(group.per_node > group.ulysses ? node : 0, network) / group.ulysses;
    case Strategy::double_ring:
      return std::max(node, network / group.per_node);
    default:
      return {};
  }
}

}  // namespace ringattn::planner
