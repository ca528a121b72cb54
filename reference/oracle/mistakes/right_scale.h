#pragma once

#include "reference/definition/problem.h"

namespace ringattn {

// The scale that the problem asks for
inline double right_scale(const Problem<double>& problem) { return problem.scoring.scale(problem.Q.shape.D); }

}  // namespace ringattn
