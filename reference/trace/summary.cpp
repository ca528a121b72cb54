#include "reference/trace/summary.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ringattn {

namespace {

double hidden_fraction(double transfer, double exposed) {
  if (!(transfer > 0)) return std::numeric_limits<double>::quiet_NaN();
  return std::clamp(1 - exposed / transfer, 0.0, 1.0);
}

}  // namespace

Duration& Duration::operator+=(const Duration& other) {
  wall_seconds += other.wall_seconds;
  virtual_ns += other.virtual_ns;
  return *this;
}

double Overlap::hidden_fraction_wall() const {
  return hidden_fraction(transfer.wall_seconds, exposed.wall_seconds);
}
double Overlap::hidden_fraction_virtual() const {
  return hidden_fraction(transfer.virtual_ns, exposed.virtual_ns);
}

Summary::Summary(int devices) : devices_(static_cast<std::size_t>(devices)) {}

void Summary::write(const Event& event) {
  Device& device = devices_.at(static_cast<std::size_t>(event.id.device));
  switch (event.phase) {
    case EventPhase::begin:
      // A run encloses the other events of its lane and is not counted
      if (event.kind != EventKind::run) device.open[static_cast<std::size_t>(event.lane)] = event;
      break;
    case EventPhase::end:
      on_end(device, event);
      break;
    case EventPhase::point:
      on_point(device, event);
      break;
  }
}

void Summary::on_point(Device& device, const Event& event) {
  if (event.kind == EventKind::alloc) device.bytes_held += event.bytes;
  if (event.kind == EventKind::free) device.bytes_held -= event.bytes;
  device.summary.peak_bytes = std::max(device.summary.peak_bytes, device.bytes_held);
}

void Summary::on_end(Device& device, const Event& event) {
  const Event& begin = device.open[static_cast<std::size_t>(event.lane)];
  const Duration duration{1e-9 * static_cast<double>(event.w - begin.w), event.t - begin.t};
  DeviceSummary& summary = device.summary;
  switch (event.kind) {
    case EventKind::compute:
      summary.busy += duration;
      break;
    case EventKind::wait:
      (event.why == "recv" ? summary.wait_recv : summary.wait_send_buffer) += duration;
      break;
    case EventKind::send:
      summary.bytes_sent += event.bytes;
      break;
    case EventKind::recv:
      summary.messages.transfer += {1e-9 * static_cast<double>(event.transfer_w), event.transfer_t};
      summary.messages.exposed += {1e-9 * static_cast<double>(event.exposed_w), event.exposed_t};
      break;
    default:
      break;
  }
}

std::vector<DeviceSummary> Summary::devices() const {
  std::vector<DeviceSummary> summaries;
  for (const Device& device : devices_) summaries.push_back(device.summary);
  return summaries;
}

Overlap Summary::overlap() const {
  Overlap all;
  for (const Device& device : devices_) {
    all.transfer += device.summary.messages.transfer;
    all.exposed += device.summary.messages.exposed;
  }
  return all;
}

}  // namespace ringattn
