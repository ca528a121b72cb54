#include "visualizer/model/time_use.h"

namespace ringattn::viz {

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
