#include "reference/planner/strategy/planned_strategy.h"

#include <algorithm>

#include "reference/planner/machine/presets.h"

namespace ringattn::planner {

std::string name(const PlannedStrategy& strategy) {
  if (strategy == ring_q) return "ring-q";
  if (strategy == burst) return "burst";
  return std::string(ringattn::name(strategy.strategy));
}

std::vector<std::string> planned_strategy_names() {
  std::vector<std::string> names;
  for (const PlannedStrategy& strategy : planned_strategies) names.push_back(name(strategy));
  return names;
}

PlannedStrategy parse_planned_strategy(const std::string& text) {
  for (const PlannedStrategy& strategy : planned_strategies)
    if (text == name(strategy)) return strategy;
  throw BadInput("[plan] the strategy must be all, " + either_of(planned_strategy_names()) + "; found " +
                 in_quotes(text) + "; choose one of them");
}

Index replicated_kv_heads(const AttentionShape& shape, int parts) {
  return std::max<Index>(shape.kv_heads, parts);
}

bool splits_heads(const AttentionShape& shape, int parts) {
  const Index kv = replicated_kv_heads(shape, parts);
  return shape.heads % parts == 0 && kv % parts == 0 && kv % shape.kv_heads == 0;
}

StrategyOptions engine_options(const PlannedStrategy& strategy, const Group& group) {
  StrategyOptions options{.strategy = strategy.strategy};
  if (strategy == Strategy::usp) options.group = group.ulysses;
  if (strategy == Strategy::double_ring) options.group = group.per_node;
  options.ring.devices = group.devices();
  return options;
}

std::string limit(const PlannedStrategy& strategy, const AttentionShape& shape, const Group& group,
                  bool backward) {
  const std::string heads =
      std::to_string(shape.heads) + " heads and " + std::to_string(shape.kv_heads) + " K/V heads";
  switch (strategy.strategy) {
    case Strategy::ulysses:
      if (!splits_heads(shape, group.devices()))
        return heads + " cannot be split over " + std::to_string(group.devices()) + " devices";
      break;
    case Strategy::usp:
      if (group.per_node % group.ulysses != 0 || !splits_heads(shape, group.ulysses))
        return heads + " cannot be split over groups of " + std::to_string(group.ulysses) +
               " devices of a node";
      if (group.ulysses == 1) return "a Ulysses degree of 1 is the ring";
      break;
    case Strategy::double_ring:
      if (group.nodes < 2 || group.per_node < 2) return "it needs several nodes with several devices each";
      break;
    case Strategy::bidirectional:
      if (shape.kv_heads < 2) return "one K/V head has no halves";
      break;
    case Strategy::tree:
      if (backward || shape.queries == shape.keys)
        return "it is for a few new tokens, which all devices hold";
      break;
    default:
      break;
  }
  return "";
}

int best_ulysses_degree(const AttentionShape& shape, int per_node) {
  int best = 1;
  for (int degree = 2; degree <= per_node; ++degree) {
    const bool replicates = degree > shape.kv_heads && best > 1;
    if (per_node % degree == 0 && splits_heads(shape, degree) && !replicates) best = degree;
  }
  return best;
}

}  // namespace ringattn::planner
