#include "reference/planner/hiding.h"

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
  return forward(shape) * (1 + gradient_bytes / input_bytes) / 2.5;
}

double hiding_divisor(Strategy strategy, const Group& group) {
  if (strategy == Strategy::usp) return group.ulysses;
  if (strategy == Strategy::double_ring) return group.per_node;
  return 1;
}

}  // namespace ringattn::planner
