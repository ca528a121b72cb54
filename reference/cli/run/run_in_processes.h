#pragma once

#include "reference/cli/args/make_problem.h"
#include "reference/cli/run/process_group.h"
#include "reference/cli/run/ring_runs.h"
#include "reference/cli/run/run_options.h"

namespace ringattn::cli {

// Runs a ring of processes. Each calls _compute_ for the results and events of its own device. Then process 0 gathers
// the results of all devices, and _sink_ receives the events of all; on the other processes both are partial.
// _config_ must be equal on all processes.
template <class T>
RingResults<T> run_in_processes(ProcessGroup& processes, const Json& config, const RunOptions& options,
                                const OwnedProblem<T>& inputs, TraceSink& sink,
                                const std::function<RingResults<T>(TraceSink& events)>& compute);

}  // namespace ringattn::cli
