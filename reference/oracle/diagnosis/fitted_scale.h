#pragma once

#include "reference/oracle/diagnosis/candidates.h"

namespace ringattn {

// The candidate S0: correct attention with the softmax scale that fits the result best. An unknown factor on all scores
// is found by a search, because no list of wrong scales is complete. None if the correct scale fits best.
std::optional<Candidate> fitted_scale(const Simulation& simulation, const BoundedAttention& bounded,
                                      const Submission& submission, const ComparedTensors& compared);

}  // namespace ringattn
