#pragma once

#include <ostream>
#include <span>

#include "reference/trace/trace_header.h"

namespace ringattn {

// Wall times differ from run to run. Without them, equal runs give byte-identical traces.
enum class WallTimes { keep, omit };

// Writes a trace as JSON Lines: the header on the first line, then one event on each line, in the given order. Each
// event has only the fields that its kind defines; an end repeats the fields of its begin.
void write_json_lines(std::ostream& os, const TraceHeader& header, std::span<const Event> events,
                      WallTimes wall_times = WallTimes::keep);

}  // namespace ringattn
