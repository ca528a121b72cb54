#pragma once

#include "reference/planner/plan_request.h"
#include "reference/trace/trace_header.h"

namespace ringattn::planner {

// The planned attention of one layer as a trace, which the visualizer opens.
struct PlannedTrace {
  TraceHeader header;
  std::vector<Event> events;  // forward, then backward if the request trains
};

// Throws BadInput unless the strategy is ring or ring-q, whose schedule a trace can express, and the ring is short
// enough for a trace
PlannedTrace planned_trace(const PlanRequest& request, Strategy strategy);

}  // namespace ringattn::planner
