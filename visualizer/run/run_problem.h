#pragma once

#include "reference/definition/input/owned_problem.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// The inputs of a run. _config_ is completed. The tensors are random, the same as those of `ringattn run` with this
// seed, or follow from the scores or the words
template <class T>
OwnedProblem<T> make_run_problem(const RunConfig& config);

// The same inputs in float64
template <class T>
OwnedProblem<double> in_float64(const OwnedProblem<T>& problem);

}  // namespace ringattn::viz
