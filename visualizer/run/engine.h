#pragma once

#include "visualizer/run/run_problem.h"

namespace ringattn::viz {

// The engine goes round the ring, forward and backward as the run has it, with the fault of the run; and with
// _links_ around what the fault makes of the links. Throws the first error of any device
template <class T>
void run_engine(const RunConfig& config, const RunProblem<T>& problem, Recorders& recorders, int threads,
                const LinkDecorator<T>& links = {});

}  // namespace ringattn::viz
