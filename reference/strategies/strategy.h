#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "reference/ring/ring_options.h"

namespace ringattn {

// The exact ways to distribute attention over devices (table in README.md of this folder).
enum class Strategy { ring, all_gather, bidirectional, double_ring, ulysses, usp, tree, automatic };

inline constexpr Strategy all_strategies[] = {
    Strategy::ring,    Strategy::all_gather, Strategy::bidirectional, Strategy::double_ring,
    Strategy::ulysses, Strategy::usp,        Strategy::tree,          Strategy::automatic};

// "ring", "all-gather", ...
std::string_view name(Strategy strategy);
std::vector<std::string> strategy_names();

// Throws BadInput unless a strategy has that name
Strategy parse_strategy(const std::string& name);

// How attention is distributed.
struct StrategyOptions {
  Strategy strategy = Strategy::ring;
  int group = 0;  // devices in a node (double_ring) or in a group that exchanges heads (usp)
  RingOptions ring = {};
};

// The devices in a group: _group_, or all devices with ulysses, or one with a plain ring
int group_size(const StrategyOptions& options);

// The blocks to which a device attends in a pass
int blocks_per_device(const StrategyOptions& options);

// Throws BadInput, with the rule of the strategy, if the strategy cannot compute a problem with these numbers of heads
void check_strategy(const StrategyOptions& options, Index query_heads, Index kv_heads, bool backward);

}  // namespace ringattn
