#pragma once

#include "reference/oracle/diagnosis/candidates.h"

namespace ringattn {

// The effective scale under which right attention would give the result, where there is one: an unknown
// factor on all scores is found by search, where a list of known wrong scales would never end. Named S0.
std::optional<Candidate> fitted_scale(const Simulation& simulation, const BoundedAttention& bounded,
                                    const Submission& submission, const ComparedTensors& compared);

}  // namespace ringattn
