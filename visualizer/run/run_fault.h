#pragma once

#include <optional>

#include "reference/faults/faulty_link.h"
#include "reference/faults/faulty_state.h"
#include "visualizer/run/run_config.h"

namespace ringattn::viz {

// Throws BadInput unless the fault is empty or known, and has an effect in this run
void check_fault(const RunConfig& config);

// The fault of a configuration that has passed check_fault()
std::optional<StateFault> state_fault(const RunConfig& config);
std::optional<LinkFault> link_fault(const RunConfig& config);

// Whether the fault ends in a deadlock. Such a run needs one thread for each device
bool ends_in_deadlock(const RunConfig& config);

}  // namespace ringattn::viz
