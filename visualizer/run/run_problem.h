#pragma once

#include "reference/definition/owned_problem.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// The inputs of a run. _config_ is completed. The tensors are random, the same as those of `ringattn run` with this
// seed, or follow from the scores or the words
template <class T>
OwnedProblem<T> make_run_problem(const RunConfig& config);

// The output of full attention in float64, (1, Sq, Hq, Dv)
template <class T>
Tensor<double> full_attention(const OwnedProblem<T>& problem);

}  // namespace ringattn::viz
