#include "gpu/ring/stream_clock.h"

#include <algorithm>
#include <cmath>

namespace ringattn::gpu {

StreamClock::StreamClock(TraceSink& sink, int devices)
    : sink_(sink), devices_(static_cast<std::size_t>(devices)) {}

std::int64_t StreamClock::read(const Mark& mark) const {
  return std::llround(1e6 * mark.milliseconds_since(start_));
}

// All devices of a step share a wave, so a device that waits for a message waits from the end of one wave
// until the message is there; the next wave begins when all messages are there, which is also when the slots
// of all devices are empty and the next messages leave
std::int64_t StreamClock::moment_of(const Event& fact, const Event& next, const Progress& device) {
  const bool begins = fact.at == EventAt::begin;
  switch (fact.kind) {
    case EventKind::compute:
      return read(begins ? waves_.at(fact.step).begins : waves_.at(fact.step).ends);
    case EventKind::merge:
      return read(merges_.at(fact.step).ends);
    case EventKind::send:
      return read(begins ? journey_of(fact.id).stretch.begins : journey_of(fact.id).stretch.ends);
    case EventKind::wait:
      if (begins) return device.now;
      return fact.why == "recv" ? journey_of(fact.cause[0]).arrived
                                : read(journey_of(next.id).stretch.begins);
    case EventKind::run:
      return begins ? 0 : read(end_);
    case EventKind::finalize:
    case EventKind::free:
      return read(end_);
    default:
      return device.now;
  }
}

// Exposed is the part of the journey during which the receiver had nothing else to do
void StreamClock::time_journey(Event& recv, const Progress& device) {
  const Journey& journey = journey_of(recv.cause[0]);
  recv.transfer_w = journey.arrived - journey.began;
  recv.exposed_w = std::max<std::int64_t>(0, journey.arrived - std::max(journey.began, device.idle_since));
}

void StreamClock::set_time(Event& fact, const Event& next) {
  Progress& device = devices_.at(static_cast<std::size_t>(fact.id.device));
  // Marks of two streams at one moment may differ by the grain of the hardware's clock
  fact.w = std::max(device.now, moment_of(fact, next, device));

  // A message travels while its sender does other things
  if (fact.kind == EventKind::send && fact.at == EventAt::end) {
    journey_of(fact.id).arrived = fact.w;
    return;
  }
  device.now = fact.w;
  if (fact.kind == EventKind::send) journey_of(fact.id).began = fact.w;
  if (fact.kind == EventKind::compute || fact.kind == EventKind::merge) device.idle_since = fact.w;
  if (fact.kind == EventKind::recv) time_journey(fact, device);
}

void StreamClock::hand_on(Stream& last) {
  last.record(end_);
  last.finish();
  for (std::size_t i = 0; i < facts_.size(); ++i) {
    // A wait for room is followed by the send that needed it
    set_time(facts_[i], facts_[std::min(i + 1, facts_.size() - 1)]);
    sink_.take(facts_[i]);
  }
}

}  // namespace ringattn::gpu
