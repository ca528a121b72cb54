#pragma once

#include <array>
#include <string>
#include <vector>

#include "reference/planner/machine/group.h"
#include "reference/planner/model/attention_shape.h"
#include "reference/strategies/strategy.h"

namespace ringattn::planner {

// A strategy of the engine, with the tensors that rotate in each pass. They may differ: Context Parallelism for Scalable
// Million-Token Inference (arXiv:2411.01783), algorithm 3, rotates Q in both passes, and BurstAttention
// (arXiv:2403.09347) in the backward pass only.
struct PlannedStrategy {
  Strategy strategy = Strategy::ring;
  Rotation forward = Rotation::kv, backward = Rotation::kv;

  constexpr PlannedStrategy(Strategy of, Rotation in_forward = Rotation::kv,
                            Rotation in_backward = Rotation::kv)
      : strategy(of), forward(in_forward), backward(in_backward) {}
  bool operator==(const PlannedStrategy&) const = default;

  Rotation rotation(bool in_backward) const { return in_backward ? backward : forward; }
};

inline constexpr PlannedStrategy ring_q{Strategy::ring, Rotation::q, Rotation::q},
    burst{Strategy::ring, Rotation::kv, Rotation::q};
inline constexpr std::array<PlannedStrategy, 9> planned_strategies = {Strategy::ring,
                                                                      ring_q,
                                                                      burst,
                                                                      Strategy::all_gather,
                                                                      Strategy::bidirectional,
                                                                      Strategy::ulysses,
                                                                      Strategy::usp,
                                                                      Strategy::double_ring,
                                                                      Strategy::tree};

// The names of the engine, "ring-q" and "burst"
std::string name(const PlannedStrategy& strategy);
std::vector<std::string> planned_strategy_names();
PlannedStrategy parse_planned_strategy(const std::string& name);

// The K/V heads that travel if each of _parts_ devices needs at least one: replicated up to the number of parts
Index replicated_kv_heads(const AttentionShape& shape, int parts);

// Whether each of _parts_ devices can have the same number of heads, and of K/V heads after replication
bool splits_heads(const AttentionShape& shape, int parts);

// The options of the engine for this strategy on the group
StrategyOptions engine_options(const PlannedStrategy& strategy, const Group& group);

// Why the strategy cannot compute this attention on this group; empty: it can
std::string limit(const PlannedStrategy& strategy, const AttentionShape& shape, const Group& group,
                  bool backward);

// The largest degree of Ulysses that divides the devices of a node and the heads, and needs no replication if possible
int best_ulysses_degree(const AttentionShape& shape, int per_node);

}  // namespace ringattn::planner
