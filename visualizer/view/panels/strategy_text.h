#pragma once

#include <string>
#include <vector>

#include "visualizer/view/panels/panel.h"

namespace ringattn::viz {

// The words for the strategy of a run. For a ring they are those of the panels.

// "usp in groups of 2", "all-gather"
std::string strategy_text(const Recording& recording);

// "heads 2 … 3", "head 2", "all heads"
std::string heads_text(const Recording& recording, int range);

// The labels of a block, the longest first: "K₁ V₁", "1". _exchanged_: the devices have exchanged rows for heads, if
// their strategy does that; then a block has the rows of a group, and some heads: "K V of heads 2 … 3",
// "K₀…₁ V₀…₁ of head 2"
std::vector<std::string> block_labels(const Recording& recording, std::string_view what, int owner,
                                      bool exchanged);

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
