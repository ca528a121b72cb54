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

bool lasts(EventKind kind) {
  return kind == EventKind::run || kind == EventKind::compute || kind == EventKind::send ||
         kind == EventKind::recv || kind == EventKind::wait;
}

void check_span(CheckContext& trace, const Span& span) {
  const Event& begin = *span.begin;
  if (!(std::isfinite(begin.t) && begin.t >= 0)) trace.report(begin, "has no time: t is ", begin.t);
  if (begin.lane != lane_of(begin.kind)) trace.report(begin, "stands in the lane ", name(begin.lane));
  if (span.has_duration() != lasts(begin.kind))
    trace.report(begin, "must", lasts(begin.kind) ? "" : " not", " have a begin and an end");
  if (!span.end) {
    if (trace.complete) trace.report(begin, "begins and never ends");
    return;
  }
  const Event& end = *span.end;
  if (end.kind != begin.kind || end.lane != begin.lane || end.step != begin.step)
    trace.report(begin, "ends as something else: ", name(end.kind), " at step ", end.step);
  if (!(begin.t <= end.t))
    trace.report(begin, "ends at ", end.t, " ns, before it begins at ", begin.t, " ns");
  if (!(begin.w <= end.w)) trace.report(begin, "ends before it begins, by the wall clock");
}

// The events that another one had to wait for
void check_causes_of(CheckContext& trace, const Event& event, EventId id) {
  const Span* cause = trace.spans.find(id);
  if (!cause) {
    if (!trace.may_be_pending(id))
      trace.report(event, "waited for ", to_string(id), ", which never happened");
    return;
  }
  if (!(cause->begin->t <= event.t))
    trace.report(event, "waited for ", to_string(id), ", which lies in its future");
}

// What a device uses must have reached it before
void check_arrival(CheckContext& trace, const Event& event) {
  const bool joins = event.kind == EventKind::merge || event.kind == EventKind::grad_hop;
  if (!joins && !(event.kind == EventKind::compute && event.step > 0)) return;
  const Span* arrival = trace.spans.find(event.cause[0]);
  if (!arrival || arrival->begin->kind != EventKind::recv || arrival->begin->id.device != event.id.device ||
      arrival->begin->owner != event.owner)
    trace.report(event, "uses what belongs to device ", event.owner, " without having received it");
  else if (!arrival->end || !(arrival->end->t <= event.t))
    trace.report(event, "happens before ", to_string(event.cause[0]),
                   ", whose message it uses, has arrived");
}

}  // namespace

void check_ids(CheckContext& trace) {
  for (const Event* unmatched : trace.spans.unmatched())
    trace.report(*unmatched,
                   unmatched->phase == EventPhase::end ? "ends what is not going on" : "has an id that is taken");

  const Event* last = nullptr;
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.id.device < 0 || event.id.device >= trace.header.devices)
      trace.report(event, "happens on a device of which the ring has only ", trace.header.devices);
    const bool same_device = last && last->id.device == event.id.device;
    const int expected = same_device ? last->id.sequence + 1 : 0;
    if (event.id.sequence != expected)
      trace.report(event, "comes where sequence ", expected, " of its device was to come");
    if (same_device && event.w < last->w)
      trace.report(event, "happens before ", to_string(last->id), ", by the wall clock");
    check_span(trace, span);
    last = &event;
  }
}

void check_lanes(CheckContext& trace) {
  std::map<std::pair<int, EventLane>, const Span*> before;
  for (const Span& span : trace.spans.all()) {
    const Event& event = *span.begin;
    if (event.kind == EventKind::run) continue;  // lasts while the device does everything else
    const Span*& last = before[{event.id.device, event.lane}];
    if (last && !(last->begin->t <= event.t))
      trace.report(event, "begins at ", event.t, " ns, before the earlier ", to_string(last->begin->id));
    if (last && last->has_duration() && span.has_duration() && !(last->end && last->end->t <= event.t))
      trace.report(event, "begins while ", to_string(last->begin->id), " is going on in the same lane");
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
      trace.report(wait, "does not say for what");
  }
}

}  // namespace ringattn
