#include "visualizer/model/time_use.h"

#include <algorithm>
#include <cmath>

namespace ringattn::viz {

TimeUse time_use(const Recording& recording, int device, Clock clock, double until) {
  TimeUse use;
  const double duration = recording.duration(clock);
  // A send may also wait, until the next device has received
  const auto is_open = [&](const Span& span) {
    return !span.end && (span.begin->kind == EventKind::wait || span.begin->kind == EventKind::send);
  };
  const std::span<const Span> spans = recording.spans().of(device);
  use.open = until >= duration && std::any_of(spans.begin(), spans.end(), is_open);
  const double whole = use.open && std::isfinite(until) ? until : std::min(until, duration);
  if (!(whole > 0)) return use;
  for (const Span& span : spans) {
    const double end = is_open(span) ? whole : std::min(recording.ended(span, clock), whole);
    const double share = std::max(0.0, end - recording.began(span, clock)) / whole;
    if (span.begin->kind == EventKind::compute) use.busy += share;
    if (span.begin->kind == EventKind::wait || is_open(span)) use.waiting += share;
  }
  return use;
}

double efficiency(const Recording& recording, Clock clock, double until) {
  double busy = 0;
  for (int device = 0; device < recording.devices(); ++device)
    busy += time_use(recording, device, clock, until).busy;
  return busy / recording.devices();
}

}  // namespace ringattn::viz
