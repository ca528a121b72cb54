#pragma once

#include "reference/oracle/diagnosis/candidates.h"

namespace ringattn {

// Two mistakes at once: one that changes the problem, and any other one of the forward that is made on the
// changed problem. Those nearest to what was handed in, at most _count_.
std::vector<Candidate> nearest_pairs(const Simulation& simulation, const Observed& observed, std::size_t count);

}  // namespace ringattn
