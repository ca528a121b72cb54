#pragma once

#include "reference/oracle/diagnosis/candidates.h"

namespace ringattn {

// The candidate S0: correct attention with the softmax scale that fits the result best. An unknown factor on all scores
// is found by a search, because no list of wrong scales is complete. None if the correct scale fits best.
std::optional<Candidate> fitted_scale(const Simulation& simulation, const BoundedAttention& bounded,
                                      const Submission& submission, const ComparedTensors& compared);

// Variants of S0 near the right scale, and farther away, for which no result is at hand
Variants example_scales();

}  // namespace ringattn
