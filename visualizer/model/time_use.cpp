#include "visualizer/model/time_use.h"

#include <algorithm>

namespace ringattn::viz {

namespace {

// The last compute or wait of the same device that precedes _span_; null: none
const Span* before(const Recording& recording, const Span& span, Clock clock) {
  const Span* last = nullptr;
  for (const Span& each : recording.spans().of(span.begin->id.device)) {
    const EventKind kind = each.begin->kind;
    if (each.begin->id.sequence >= span.begin->id.sequence) break;
    const bool works = kind == EventKind::compute || kind == EventKind::wait;
    if (works && each.end && (!last || recording.ended(each, clock) >= recording.ended(*last, clock)))
      last = &each;
  }
  return last;
}

}  // namespace

std::vector<const Span*> critical_path(const Recording& recording, Clock clock) {
  const Span* last = nullptr;
  for (const Span& span : recording.spans().all())
    if (span.begin->kind == EventKind::compute && span.end &&
        (!last || recording.ended(span, clock) > recording.ended(*last, clock)))
      last = &span;

  std::vector<const Span*> path;
  while (last) {
    // A wait is replaced by the transfer of the message that it waited for
    const bool waited = last->begin->kind == EventKind::wait && last->end && last->end->cause[0] &&
                        recording.ended(*last, clock) > recording.began(*last, clock);
    if (last->begin->kind != EventKind::wait) path.push_back(last);
    const Span* send = waited ? recording.spans().find(last->end->cause[0]) : nullptr;
    if (send) path.push_back(send);
    last = before(recording, send ? *send : *last, clock);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

TimeUse time_use(const Recording& recording, int device, Clock clock) {
  TimeUse use;
  const double whole = recording.duration(clock);
  if (!(whole > 0)) return use;
  for (const Span& span : recording.spans().of(device)) {
    const double share = (recording.ended(span, clock) - recording.began(span, clock)) / whole;
    if (span.begin->kind == EventKind::compute) use.busy += share;
    if (span.begin->kind == EventKind::wait) use.waiting += share;
    if (span.begin->kind == EventKind::recv)
      use.exposed +=
          (clock == Clock::modelled ? span.begin->exposed_t : static_cast<double>(span.begin->exposed_w)) /
          whole;
  }
  return use;
}

double efficiency(const Recording& recording, Clock clock) {
  double busy = 0;
  for (int device = 0; device < recording.devices(); ++device)
    busy += time_use(recording, device, clock).busy;
  return busy / recording.devices();
}

}  // namespace ringattn::viz
