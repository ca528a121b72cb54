#pragma once

#include <string>

#include "reference/planner/plan.h"

namespace ringattn::cli {

// The text of `ringattn plan`: the answer, all strategies side by side, and the terms of the chosen one
std::string plan_text(const planner::Plan& plan);

// The text of `ringattn plan --presets`
std::string presets_text();

}  // namespace ringattn::cli
