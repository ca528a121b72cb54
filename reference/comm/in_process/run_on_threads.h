#pragma once

#include <functional>

#include "reference/comm/run_monitor.h"

namespace ringattn {

// Deals _devices_ devices out to _threads_ threads, neighbours together, and calls body(first, last) on each
// thread for its devices [first, last). Returns when all have finished. If one of them throws, all waits end
// and the first error is thrown again here.
void run_on_threads(int devices, int threads, RunMonitor& monitor, const std::function<void(int first, int last)>& body);

}  // namespace ringattn
