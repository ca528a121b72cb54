#include "reference/planner/strategy/strategy.h"

#include <algorithm>

#include "reference/planner/machine/presets.h"

namespace ringattn::planner {

const char* name(Strategy strategy) {
  switch (strategy) {
    case Strategy::ring:
      return "ring";
    case Strategy::ring_q:
      return "ring-q";
    case Strategy::burst:
      return "burst";
    case Strategy::all_gather:
      return "all-gather";
    case Strategy::bidirectional:
      return "bidirectional";
    case Strategy::ulysses:
      return "ulysses";
    case Strategy::usp:
      return "usp";
    case Strategy::double_ring:
      return "double-ring";
    case Strategy::token_ring:
      return "token-ring";
    case Strategy::tree:
      return "tree";
  }
  return "";
}

std::vector<std::string> strategy_names() {
  std::vector<std::string> names;
  for (const Strategy strategy : all_strategies) names.push_back(name(strategy));
  return names;
}

Strategy parse_strategy(const std::string& text) {
  for (const Strategy strategy : all_strategies)
    if (text == name(strategy)) return strategy;
  throw BadInput("[plan] the strategy must be all, " + either_of(strategy_names()) + "; found " +
                 in_quotes(text) + "; choose one of them");
}

Index replicated_kv_heads(const AttentionShape& shape, int parts) {
  return std::max<Index>(shape.kv_heads, parts);
}

bool splits_heads(const AttentionShape& shape, int parts) {
  const Index kv = replicated_kv_heads(shape, parts);
  return shape.heads % parts == 0 && kv % parts == 0 && kv % shape.kv_heads == 0;
}

std::string limit(Strategy strategy, const AttentionShape& shape, const Group& group, bool backward) {
  const std::string heads =
      std::to_string(shape.heads) + " heads and " + std::to_string(shape.kv_heads) + " K/V heads";
  switch (strategy) {
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
    case Strategy::token_ring:
      if (backward) return "it has no published backward pass";
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
