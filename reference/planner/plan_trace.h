#pragma once

#include "reference/planner/plan_request.h"
#include "reference/trace/trace_header.h"

namespace ringattn::planner {

// A ring of 128 devices has 200,000 events for each pass
inline constexpr int most_traced_devices = 128;

// The planned attention of one layer as a trace, which the visualizer opens.
struct PlannedTrace {
  TraceHeader header;
  std::vector<Event> events;  // forward, then backward if the request trains
};

// Throws BadInput if other tensors rotate backward than forward, which a trace cannot express, or the ring is too long
// for a trace
PlannedTrace planned_trace(const PlanRequest& request, const PlannedStrategy& strategy);

}  // namespace ringattn::planner
