#pragma once

#include "reference/oracle/suspects.h"

namespace ringattn {

// The effective scale under which right attention would give the result, where there is one: an unknown
// factor on all scores is found by search, where a list of known wrong scales would never end. Named S0.
std::optional<Suspect> fitted_scale(const Simulation& simulation, const GaugedForward& gauged,
                                    const Submission& submission, const Compared& compared);

}  // namespace ringattn
