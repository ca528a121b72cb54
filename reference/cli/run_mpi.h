#pragma once

#include "reference/cli/case.h"
#include "reference/cli/processes.h"
#include "reference/cli/ring_results.h"
#include "reference/cli/run_options.h"

namespace ringattn::cli {

// This process's part of a ring of processes. _what_: what all of them must be about to do. On the first,
// _sink_ gets the facts of all and the results are whole; on the others they are not.
template <class T>
RingResults<T> run_on_mpi(Processes& processes, const Json& what, const RunOptions& options, const Case<T>& c,
                          const LinkDecorator<T>& decorate, TraceSink& sink);

}  // namespace ringattn::cli
