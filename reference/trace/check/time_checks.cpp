// Checks of times and causes: spans, lanes, and effects after their causes.

#include <cmath>
#include <map>

#include "reference/trace/check/check_context.h"

namespace ringattn {

namespace {

EventLane lane_of(EventKind kind) {
  switch (kind) {
    case EventKind::alloc:
    case EventKind::free:
      return EventLane::memory;
    case EventKind::send:
      return EventLane::send;
    case EventKind::recv:
      return EventLane::recv;
    case EventKind::wait:
      return EventLane::wait;
    default:
      return EventLane::compute;
  }
}

bool has_duration(EventKind kind) {
  return kind == EventKind::run || kind == EventKind::compute || kind == EventKind::send ||
         kind == EventKind::recv || kind == EventKind::wait;
}

void check_span(CheckContext& trace, const Span& span) {
  const Event& begin = *span.begin;
  if (!(std::isfinite(begin.t) && begin.t >= 0)) trace.report(begin, "has an invalid time t = ", begin.t);
  if (begin.lane != lane_of(begin.kind)) trace.report(begin, "is in the wrong lane, ", name(begin.lane));
  if (span.has_duration() != has_duration(begin.kind))
    trace.report(begin, "must", has_duration(begin.kind) ? "" : " not", " have a begin and an end");
  if (!span.end) {
    if (trace.complete) trace.report(begin, "never ends");
    return;
  }
  const Event& end = *span.end;
  if (end.kind != begin.kind || end.lane != begin.lane || end.step != begin.step)
    trace.report(begin, "has an end of another kind: ", name(end.kind), " at step ", end.step);
  if (!(begin.t <= end.t))
    trace.report(begin, "ends at ", end.t, " ns, before it begins at ", begin.t, " ns");
  if (!(begin.w <= end.w)) trace.report(begin, "ends before it begins on the wall clock");
}

// Checks that a cause exists and does not come later than its effect
void check_causes_of(CheckContext& trace, const Event& event, EventId id) {
  const Span* cause = trace.spans.find(id);
  if (!cause) {
    if (!trace.may_be_pending(id))
      trace.report(event, "waited for ", to_string(id), ", which does not exist");
    return;
  }
  if (!(cause->begin->t <= event.t))
    trace.report(event, "waited for ", to_string(id), ", which begins later");
}

// Checks that a block or result was received before the device uses it
void check_arrival(CheckContext& trace, const Event& event) {
  const bool accumulates = event.kind == EventKind::merge || event.kind == EventKind::grad_hop;
  if (!accumulates && !(event.kind == EventKind::compute && event.step > 0)) return;
  const Span* arrival = trace.spans.find(event.cause[0]);
  // In tree decoding all devices own the same queries, so the results that are merged name their sender as owner
  const bool any_owner = trace.header.strategy == "tree";
  if (!arrival || arrival->begin->kind != EventKind::recv || arrival->begin->id.device != event.id.device ||
      (arrival->begin->owner != event.owner && !any_owner))
    trace.report(event, "uses data of device ", event.owner, " that it has not received");
  else if (!arrival->end || !(arrival->end->t <= event.t))
    trace.report(event, "uses the message of ", to_string(event.cause[0]), " before it has arrived");
}

}  // namespace

void check_ids(CheckContext& trace) {
  for (const Event* unmatched : trace.spans.unmatched())
    trace.report(*unmatched, unmatched->phase == EventPhase::end ? "ends an event that is not open"
                                                                 : "has a duplicate id");

  const Event* last = nullptr;
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.id.device < 0 || event.id.device >= trace.header.devices)
      trace.report(event, "is on a device outside 0 .. ", trace.header.devices - 1);
    const bool same_device = last && last->id.device == event.id.device;
    const int expected = same_device ? last->id.sequence + 1 : 0;
    if (event.id.sequence != expected)
      trace.report(event, "has the wrong sequence number; expected ", expected);
    if (same_device && event.w < last->w)
      trace.report(event, "comes before ", to_string(last->id), " on the wall clock");
    check_span(trace, span);
    last = &event;
  }
}

void check_lanes(CheckContext& trace) {
  // By device and lane; sends also by their link; where messages arrive on several routes at once, also by sender and
  // contents
  std::map<std::tuple<int, EventLane, int, std::string_view>, const Span*> before;
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.kind == EventKind::run) continue;  // encloses all other events
    const bool routes = event.lane == EventLane::recv && !trace.header.is_ring();
    const int route = routes ? event.peer
                      : event.lane == EventLane::send
                          ? trace.header.cost.link_between(event.id.device, event.peer).number
                          : -1;
    const Span*& last = before[{event.id.device, event.lane, route, routes ? event.what : ""}];
    if (last && !(last->begin->t <= event.t))
      trace.report(event, "begins at ", event.t, " ns, before the earlier ", to_string(last->begin->id));
    if (last && last->has_duration() && span.has_duration() && !(last->end && last->end->t <= event.t))
      trace.report(event, "overlaps ", to_string(last->begin->id), " in the same lane");
    if (!last || span.has_duration() || !last->has_duration()) last = &span;
  }
}

void check_causes(CheckContext& trace) {
  for (const Span& span : trace.spans.all()) {
    for (const Event* event : {span.begin, span.end}) {
      if (!event) continue;
      for (const EventId& id : event->cause)
        if (id) check_causes_of(trace, *event, id);
    }
    check_arrival(trace, *span.begin);
    const Event& wait = *span.begin;
    if (wait.kind == EventKind::wait && wait.why != "recv" && wait.why != "send_buffer")
      trace.report(wait, "has an unknown reason \"", wait.why, "\"");
  }
}

}  // namespace ringattn
