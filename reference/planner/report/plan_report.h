#pragma once

#include <string>
#include <vector>

#include "reference/files/json.h"
#include "reference/planner/plan.h"

namespace ringattn::planner {

// The answer in sentences: fits or not and by how much, hidden or exposed and by how much, how long it takes, and the
// cheapest change that would help.
std::vector<std::string> answer(const Plan& plan);

// The conventions, assumptions and omissions of the plan, in sentences
std::vector<std::string> assumptions(const Plan& plan);

// The answer, the request, and all strategies with their terms. Bytes, seconds, joules
Json to_json(const Plan& plan);

// The presets of models, chips and links, each with its source
Json presets_json();

}  // namespace ringattn::planner
