#pragma once

#include "visualizer/run/engine.h"

namespace ringattn::viz {

// What the devices do until each blocks in its first send, as with the fault all_send_first, found in one thread. One
// thread stops at the first device that blocks; so the run is repeated for each device, and the devices before it send
// nothing.
template <class T>
RunEvents blocked_sends(const RunConfig& config, const OwnedProblem<T>& problem);

}  // namespace ringattn::viz
