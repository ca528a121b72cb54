#include "gpu/runtime/stream_clock.h"

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
    if (now_) stream.synchronize(), epoch_ = now_();
  }
  stream.record(begin_);
}

std::int64_t StreamClock::read(const CudaEvent& event) const {
  return epoch_ + std::llround(1e6 * event.milliseconds_since(start_));
}

// A message from another process has the times of the message that left in the same NCCL group: this process cannot
// measure more
StreamClock::MessageTimes& StreamClock::times_of(EventId sent) {
  const auto paired = paired_sends_.find({sent.device, sent.sequence});
  if (paired != paired_sends_.end()) sent = paired->second;
  return message_times_.at({sent.device, sent.sequence});
}

// All devices share the kernel of a step. When it begins, all earlier messages have arrived and all receive buffers are
// free, so a message that overlaps with the kernel leaves at that time; a message after the kernel leaves when the
// device gets to it
std::int64_t StreamClock::time_of(const Event& event, const Progress& device) {
  const bool begins = event.phase == EventPhase::begin;
  switch (event.kind) {
    case EventKind::compute:
      return read(begins ? compute_events_.at(event.step).begins : compute_events_.at(event.step).ends);
    case EventKind::merge:
    case EventKind::grad_hop:
      return read(joined_.at(event.step));
    case EventKind::send:
      return read(begins ? compute_events_.at(event.step).begins : times_of(event.id).arrives);
    case EventKind::wait:
      if (begins) return device.now;
      return event.why == "recv" ? times_of(event.cause[0]).arrived
                                 : read(compute_events_.at(event.step).begins);
    case EventKind::run:
      return read(begins ? begin_ : end_);
    case EventKind::finalize:
    case EventKind::free:
      return read(end_);
    default:
      return device.now;
  }
}

// A message is in transit while its sender continues. In a trace the sends of a device do not overlap: if it sends the
// next message before this one has arrived, the end of this send is moved to the begin of the next. The receiver
// reports the full transfer time
void StreamClock::set_time_of_send(Event& send, Progress& device) {
  if (send.phase == EventPhase::begin) {
    device.now = times_of(send.id).began = send.w;
    if (device.sent) device.sent->w = std::min(device.sent->w, send.w);
  } else {
    times_of(send.id).arrived = send.w;
    device.sent = &send;
  }
}

void StreamClock::set_time(Event& event) {
  Progress& device = devices_.at(static_cast<std::size_t>(event.id.device));
  // Not before the device's previous event
  event.w = std::max(device.now, time_of(event, device));
  if (event.kind == EventKind::send) return set_time_of_send(event, device);
  device.now = event.w;
  if (is_arithmetic(event.kind)) device.idle_since = event.w;
  if (event.kind == EventKind::recv) {
    // Exposed: the part of the transfer during which the receiver had nothing to compute
    const auto& [arrives, began, arrived] = times_of(event.cause[0]);
    event.transfer_w = arrived - began;
    event.exposed_w = std::max<std::int64_t>(0, arrived - std::max(began, device.idle_since));
  }
}

void StreamClock::flush() {
  for (Event& event : events_) set_time(event);
  for (const Event& event : events_) sink_.write(event);
  events_.clear();
  for (Progress& device : devices_) device.sent = nullptr;
}

}  // namespace ringattn::gpu
