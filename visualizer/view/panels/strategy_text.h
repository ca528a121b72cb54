#pragma once

#include <string>

#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// The words for the strategy of a run. For a ring they are those of the panels.

// "usp in groups of 2", "all-gather"
std::string strategy_text(const Recording& recording);

// "heads 2 … 3", "head 2", "all heads"
std::string heads_text(const Recording& recording, int range);

// What the devices do at a moment: "step 1 (0 to 3)", "exchange of heads"
std::string phase_text(const Recording& recording, const Moment& moment);

// Where messages go with this strategy, in one line, and shorter
struct RuleText {
  std::string whole, brief;
};
RuleText rule_text(const Recording& recording);

// "K₁ V₁ from 1 to 3", "heads 2 … 3 of Q₁ from 1 to 3"
std::string message_text(const Recording& recording, const Event& send);

}  // namespace ringattn::viz
