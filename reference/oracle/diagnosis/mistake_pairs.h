#pragma once

#include "reference/oracle/diagnosis/candidates.h"

namespace ringattn {

// Pairs of mistakes: one that changes the problem, and another one of the forward, simulated on the changed problem.
// Returns at most _count_ pairs, those nearest to the submitted result.
std::vector<Candidate> nearest_pairs(const Simulation& simulation, const Observed& observed,
                                     std::size_t count);

}  // namespace ringattn
