#pragma once

#include <ostream>
#include <span>

#include "reference/trace/event.h"

namespace ringattn {

// Writes a trace in the JSON "Trace Event Format", which ui.perfetto.dev and chrome://tracing open. Times are virtual.
// Each device is a process, each lane a thread, each message an arrow, and the memory held is a counter.
// Spans without an end are left out.
void write_perfetto(std::ostream& os, std::span<const Event> events);

}  // namespace ringattn
