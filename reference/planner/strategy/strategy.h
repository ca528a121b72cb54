#pragma once

#include <array>
#include <string>
#include <vector>

#include "reference/planner/machine/group.h"
#include "reference/planner/model/attention_shape.h"

namespace ringattn::planner {

// Ways to compute exact attention over a sequence that is distributed over P devices. X: the queries of one device.
enum class Strategy {
  ring,           // K, V rotate; dK, dV follow           arXiv:2310.01889
  ring_q,         // Q rotates, its state follows; backward as burst    arXiv:2411.01783, algorithm 3
  burst,          // K, V rotate forward; Q, dO, dQ backward            arXiv:2403.09347
  all_gather,     // each device gathers all K, V          arXiv:2407.21783, section 3.3.2
  bidirectional,  // half of the K/V heads rotate one way, half the other
  ulysses,        // all-to-all: rows to heads and back    arXiv:2309.14509
  usp,            // Ulysses inside groups, a ring over groups          arXiv:2405.07719
  double_ring,    // a ring of nodes around the rings inside nodes      arXiv:2406.18485
  token_ring,     // Q rotates, partial results go straight home        arXiv:2412.20501
  tree,           // all devices hold the few queries; states are merged along a tree    arXiv:2408.04093
};
inline constexpr std::array all_strategies = {
    Strategy::ring,    Strategy::ring_q, Strategy::burst,       Strategy::all_gather, Strategy::bidirectional,
    Strategy::ulysses, Strategy::usp,    Strategy::double_ring, Strategy::token_ring, Strategy::tree};

// "ring", "ring-q", ...
const char* name(Strategy strategy);
std::vector<std::string> strategy_names();
Strategy parse_strategy(const std::string& name);

// The K/V heads that travel if each of _parts_ devices needs at least one: replicated up to the number of parts
Index replicated_kv_heads(const AttentionShape& shape, int parts);

// Whether each of _parts_ devices can have the same number of heads, and of K/V heads after replication
bool splits_heads(const AttentionShape& shape, int parts);

// Why the strategy cannot compute this attention on this group; empty: it can
std::string limit(Strategy strategy, const AttentionShape& shape, const Group& group, bool backward);

// The largest degree of Ulysses that divides the devices of a node and the heads, and needs no replication if possible
int best_ulysses_degree(const AttentionShape& shape, int per_node);

}  // namespace ringattn::planner
