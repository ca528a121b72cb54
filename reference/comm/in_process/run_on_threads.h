#pragma once

#include <functional>

#include "reference/comm/run_monitor.h"

namespace ringattn {

// Distributes _devices_ devices over _threads_ threads in contiguous groups, and calls body(first, last) on each thread
// for its devices [first, last). The calling thread is one of them. Returns when all have finished. If a body throws,
// all waits of the run end, and the first error is rethrown here.
void run_on_threads(int devices, int threads, RunMonitor& monitor,
                    const std::function<void(int first, int last)>& body);

}  // namespace ringattn
