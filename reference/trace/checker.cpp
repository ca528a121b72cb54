#include "reference/trace/checker.h"

#include "reference/trace/inspection.h"

namespace ringattn {

Inspection::Inspection(const TraceHeader& trace_header, std::span<const Event> events, Extent extent)
    : header(trace_header), spans(events), whole(extent == Extent::whole) {
  int device = -1, pass = -1;
  for (const Span& span : spans.all()) {
    if (span.begin->id.device != device) pass = -1;
    device = span.begin->id.device;
    if (span.begin->kind == EventKind::run) ++pass;
    passes_.push_back(pass);
  }
}

bool Inspection::may_be_missing(EventId id) const {
  if (whole) return false;
  const auto known = spans.of(id.device);
  return known.empty() || known.back().begin->id.sequence < id.sequence;
}

std::vector<std::string> broken_invariants(const TraceHeader& header, std::span<const Event> events,
                                           Extent extent) {
  Inspection trace(header, events, extent);
  if (header.devices < 1) {
    trace.complain("a ring has at least one device; the header says ", header.devices);
    return trace.sentences;
  }
  check_ids(trace);
  check_lanes(trace);
  check_causes(trace);
  check_passes(trace);
  check_schedule(trace);
  check_messages(trace);
  check_memory(trace);
  check_rows(trace);
  return trace.sentences;
}

}  // namespace ringattn
