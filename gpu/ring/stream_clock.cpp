#include "gpu/ring/stream_clock.h"

#include <algorithm>
#include <cmath>

namespace ringattn::gpu {

namespace {

bool is_arithmetic(EventKind kind) {
  return kind == EventKind::compute || kind == EventKind::merge || kind == EventKind::grad_hop;
}

}  // namespace

StreamClock::StreamClock(TraceSink& sink, int devices, std::function<std::int64_t()> now)
    : sink_(sink), now_(std::move(now)), devices_(static_cast<std::size_t>(devices)) {}

void StreamClock::start(Stream& stream) {
  if (!std::exchange(started_, true)) {
    stream.record(start_);
    if (now_) stream.finish(), epoch_ = now_();
  }
  stream.record(begin_);
}

std::int64_t StreamClock::read(const Mark& mark) const {
  return epoch_ + std::llround(1e6 * mark.milliseconds_since(start_));
}

// What comes from another process travels, as far as this one can tell, while its own message does
StreamClock::Journey& StreamClock::journey(EventId sent) {
  const auto twin = twins_.find({sent.device, sent.sequence});
  if (twin != twins_.end()) sent = twin->second;
  return journeys_.at({sent.device, sent.sequence});
}

// All devices share the wave of a step. When it begins, all messages before it have arrived and all slots are
// empty: what is sent beside it leaves then, and what is sent after it leaves at once
std::int64_t StreamClock::moment_of(const Event& fact, const Progress& device) {
  const bool begins = fact.at == EventAt::begin;
  switch (fact.kind) {
    case EventKind::compute:
      return read(begins ? waves_.at(fact.step).begins : waves_.at(fact.step).ends);
    case EventKind::merge:
    case EventKind::grad_hop:
      return read(joined_.at(fact.step));
    case EventKind::send:
      return read(begins ? waves_.at(fact.step).begins : journey(fact.id).arrives);
    case EventKind::wait:
      if (begins) return device.now;
      return fact.why == "recv" ? journey(fact.cause[0]).arrived : read(waves_.at(fact.step).begins);
    case EventKind::run:
      return read(begins ? begin_ : end_);
    case EventKind::finalize:
    case EventKind::free:
      return read(end_);
    default:
      return device.now;
  }
}

// A message travels while its sender does other things. Where the sender sends another one before it has
// arrived, it has done with this one; the receiver will tell how long it travelled
void StreamClock::set_time_of_send(Event& send, Progress& device) {
  if (send.at == EventAt::begin) {
    device.now = journey(send.id).began = send.w;
    if (device.sent) device.sent->w = std::min(device.sent->w, send.w);
  } else {
    journey(send.id).arrived = send.w;
    device.sent = &send;
  }
}

void StreamClock::set_time(Event& fact) {
  Progress& device = devices_.at(static_cast<std::size_t>(fact.id.device));
  // Not before what the device did before
  fact.w = std::max(device.now, moment_of(fact, device));
  if (fact.kind == EventKind::send) return set_time_of_send(fact, device);
  device.now = fact.w;
  if (is_arithmetic(fact.kind)) device.idle_since = fact.w;
  if (fact.kind == EventKind::recv) {
    // Exposed is the part of the journey during which the receiver had nothing else to do
    const auto& [mark, began, arrived] = journey(fact.cause[0]);
    fact.transfer_w = arrived - began;
    fact.exposed_w = std::max<std::int64_t>(0, arrived - std::max(began, device.idle_since));
  }
}

void StreamClock::hand_on() {
  for (Event& fact : facts_) set_time(fact);
  for (const Event& fact : facts_) sink_.take(fact);
  facts_.clear();
  for (Progress& device : devices_) device.sent = nullptr;
}

}  // namespace ringattn::gpu
