#pragma once

#include <optional>

#include "reference/faults/faulty_link.h"
#include "reference/faults/faulty_state.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// Throws BadInput unless the fault of a run has a name and can show itself there
void check_fault(const RunConfig& config);

// What goes wrong in a run, if anything, where its fault has been checked
std::optional<StateFault> state_fault(const RunConfig& config);
std::optional<LinkFault> link_fault(const RunConfig& config);

// Whether the fault ends in a deadlock: to be seen whole, each device needs a thread of its own
bool ends_in_deadlock(const RunConfig& config);

}  // namespace ringattn::viz
