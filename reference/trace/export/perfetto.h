#pragma once

#include <ostream>
#include <span>

#include "reference/trace/event.h"

namespace ringattn {

// A trace as ui.perfetto.dev and chrome://tracing open it (the JSON "Trace Event Format"), in virtual time: a
// process for each device, a thread for each lane, an arrow for each message, a counter for the memory that
// is held. Unfinished work is left out.
void write_perfetto(std::ostream& os, std::span<const Event> events);

}  // namespace ringattn
