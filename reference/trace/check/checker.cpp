#include "reference/trace/check/checker.h"

#include "reference/trace/check/check_context.h"

namespace ringattn {

CheckContext::CheckContext(const TraceHeader& trace_header, std::span<const Event> events, TraceExtent extent)
    : header(trace_header), spans(events), complete(extent == TraceExtent::complete) {
  // Each run event of a device starts its next pass
  int device = -1, pass = -1;
  for (const Span& span : spans.all()) {
    if (span.begin->id.device != device) pass = -1;
    device = span.begin->id.device;
    if (span.begin->kind == EventKind::run) ++pass;
    passes_.push_back(pass);
  }
}

bool CheckContext::may_be_pending(EventId id) const {
  if (complete) return false;
  const auto known = spans.of(id.device);
  return known.empty() || known.back().begin->id.sequence < id.sequence;
}

std::vector<std::string> broken_invariants(const TraceHeader& header, std::span<const Event> events,
                                           TraceExtent extent) {
  CheckContext trace(header, events, extent);
  if (header.devices < 1) {
    trace.report("the number of devices must be at least 1; the header has ", header.devices);
    return trace.violations;
  }
  check_ids(trace);
  check_lanes(trace);
  check_causes(trace);
  check_passes(trace);
  check_schedule(trace);
  check_messages(trace);
  check_memory(trace);
  check_rows(trace);
  return trace.violations;
}

}  // namespace ringattn
