#pragma once

#include "reference/comm/transport.h"
#include "visualizer/run/run_problem.h"

namespace ringattn::viz {

// The events of a run by (t, device, sequence), and the error that ended it early; empty: it completed.
struct RunEvents {
  std::vector<Event> events;
  std::string failure;
};

// Runs the passes of a run, forward and, if configured, backward, with the fault of the run. _links_ decorates the
// links outside of a link fault. Throws the first error of any device
template <class T>
void run_engine(const RunConfig& config, const OwnedProblem<T>& problem, Recorders& recorders, int threads,
                const LinkDecorator<T>& links = {});

}  // namespace ringattn::viz
