#pragma once

#include "reference/planner/machine/energy.h"
#include "reference/planner/memory_terms.h"
#include "reference/planner/plan_request.h"

namespace ringattn::planner {

// The plan of one strategy.
struct StrategyPlan {
  PlannedStrategy strategy = Strategy::ring;
  std::string limit;  // why the strategy is impossible here; empty: the rest holds

  StrategyCost layer;         // the attention of one layer on one ring
  MemoryTerms memory;         // of a device
  Index longest_context = 0;  // the most tokens that fit
  double seconds = 0;  // of a training step, or of a forward pass over the new tokens (time to first token)
  double attention_seconds = 0, exposed_seconds = 0;  // the parts that attention and its messages take
  double mfu = 0;                                     // model FLOPs / (seconds x devices x peak FLOPs)
  std::optional<Energy> energy;                       // empty if the power of the chip is unknown

  // The tokens of a device from which on rotating K and V are hidden; empty if others travel
  std::optional<double> hiding_block_forward, hiding_block_backward;

  bool possible() const { return limit.empty(); }
  bool hidden() const { return exposed_seconds <= 0.01 * seconds; }
};

// A change that would help, and what it would reach.
struct Change {
  std::string description;
  StrategyPlan result;
};

struct Plan {
  PlanRequest request;
  std::vector<StrategyPlan> strategies;
  std::size_t best = 0;          // the fastest that fits; if none fits, the one that needs least memory
  std::optional<Change> change;  // the cheapest one that makes it fit, or hides its messages

  const StrategyPlan& chosen() const { return strategies[best]; }
};

// Throws BadInput if the request contradicts itself, or no strategy is possible
Plan make_plan(const PlanRequest& request);

// Without the search for a change; maybe no strategy is possible
StrategyPlan plan_strategy(const PlanRequest& request, const PlannedStrategy& strategy);
Plan plan_strategies(const PlanRequest& request);

// The memory of a device, term by term
MemoryTerms memory_terms(const PlanRequest& request, const PlannedStrategy& strategy);

// The longest sequence that fits, at least 0
Index longest_context(const PlanRequest& request, const PlannedStrategy& strategy);

// The cheapest change; empty if nothing needs to change or nothing listed helps
std::optional<Change> cheapest_change(const Plan& plan);

}  // namespace ringattn::planner
