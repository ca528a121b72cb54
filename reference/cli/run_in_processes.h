#pragma once

#include "reference/cli/case.h"
#include "reference/cli/processes.h"
#include "reference/cli/ring_runs.h"
#include "reference/cli/run_options.h"

namespace ringattn::cli {

// Runs a ring of processes, of which each computes the results of its own device and hands its facts to the
// sink that it is given. _what_: what all of them must be about to do. On the first process _sink_ gets the
// facts of all and the results are whole; on the others they are not.
template <class T>
RingResults<T> run_in_processes(Processes& processes, const Json& what, const RunOptions& options,
                                const Case<T>& c, TraceSink& sink,
                                const std::function<RingResults<T>(TraceSink& facts)>& compute);

}  // namespace ringattn::cli
