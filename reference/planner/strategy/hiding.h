#pragma once

#include <optional>

#include "reference/planner/strategy/strategy_cost.h"

namespace ringattn::planner {

// The smallest number of tokens of a device for which the arithmetic of a step takes as long as the transfer of K and
// V. A block of c queries and c keys takes 4 D H c^2 operations, half of them under a balanced causal mask, and its K
// and V have 2 g c H D e bytes, g = K/V heads / heads, e bytes an element. At F operations and B bytes per second
// (Ring Attention, arXiv:2310.01889, section 3, has g = 1 and e = 2: c >= F / B):
//
//   full mask         c >= (e g / 2) F / B
//   balanced causal   c >= e g F / B
struct HidingBlock {
  double flops = 1;             // F, of a device
  double bytes_per_second = 1;  // B, of its link
  double input_bytes = 2;       // e
  bool causal = false;          // balanced; contiguous shards have full blocks

  double forward(const AttentionShape& shape) const;

  // CostModel::backward_cost_ratio times the operations; dK and dV travel with K and V
  double backward(const AttentionShape& shape, double gradient_bytes) const;
};

// The smallest block for a strategy that rotates K and V, over the slowest link; empty for another. USP computes with u
// times the pairs for the same bytes; the link between nodes of a double ring has w steps for a transfer
std::optional<double> smallest_hiding_block(const PlannedStrategy& strategy, const AttentionWork& work,
                                            bool backward);

}  // namespace ringattn::planner
