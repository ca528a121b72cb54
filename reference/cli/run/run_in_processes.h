#pragma once

#include "reference/cli/args/owned_problem.h"
#include "reference/cli/run/process_group.h"
#include "reference/cli/run/ring_runs.h"
#include "reference/cli/run/run_options.h"

namespace ringattn::cli {

// Runs a ring of processes, of which each computes the results of its own device and hands its facts to the
// sink that it is given. _config_: what all of them must be about to do. On the first process _sink_ gets the
// facts of all and the results are whole; on the others they are not.
template <class T>
RingResults<T> run_in_processes(ProcessGroup& processes, const Json& config, const RunOptions& options,
                                const OwnedProblem<T>& inputs, TraceSink& sink,
                                const std::function<RingResults<T>(TraceSink& events)>& compute);

}  // namespace ringattn::cli
