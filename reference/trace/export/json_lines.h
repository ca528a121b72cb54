#pragma once

#include <ostream>
#include <span>

#include "reference/trace/trace_header.h"

namespace ringattn {

// Wall times differ from run to run; without them, equal runs have equal traces, byte for byte.
enum class WallTimes { keep, omit };

// A trace as people and programs read it: the header on the first line, then an event a line, in the order
// given. Each event has only the fields that mean something for its kind; an end repeats those of its begin.
void write_json_lines(std::ostream& os, const TraceHeader& header, std::span<const Event> events,
                      WallTimes wall_times = WallTimes::keep);

}  // namespace ringattn
