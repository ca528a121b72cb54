#pragma once

#include <string>
#include <vector>

#include "reference/definition/input/owned_problem.h"
#include "reference/files/json.h"
#include "reference/strategies/strategy.h"
#include "reference/trace/event.h"

namespace ringattn::cli {

// What one strategy cost and gave, in a run in lockstep with a modelled clock. Figures are those of the device with the
// largest.
struct StrategyRow {
  std::string name;     // with the size of its groups
  std::string refusal;  // why the strategy cannot compute the problem; empty: it can
  std::int64_t bytes_sent = 0, peak_bytes = 0, messages = 0;
  double microseconds = 0, waiting_microseconds = 0;  // of the modelled clock
  bool exact = false;
};

// Runs every strategy on one problem. _group_: devices in a group of those that have groups
template <class T>
std::vector<StrategyRow> compare_strategies(const OwnedProblem<T>& inputs, const RingOptions& ring, int group,
                                            bool backward, const CostModel& cost);

std::string table(const std::vector<StrategyRow>& rows);
Json to_json(const std::vector<StrategyRow>& rows);

}  // namespace ringattn::cli
