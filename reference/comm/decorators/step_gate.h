#pragma once

#include <algorithm>

#include "reference/comm/decorators/forwarding_link.h"
#include "reference/comm/run_monitor.h"

namespace ringattn {

// Blocks each call of each device until a thread outside the run permits it, for example to show a run step by step.
// The gate is destroyed at the end of the run; no thread may use it after that.
template <class T>
class StepGate : public ForwardingLink<T> {
 public:
  StepGate(Link<T>& inner, RunMonitor& monitor, int devices)
      : ForwardingLink<T>(inner), monitor_(monitor), gates_(static_cast<std::size_t>(devices)) {}

  // Permits _calls_ more calls of a device
  void release(int device, std::int64_t calls = 1) {
    const auto lock = monitor_.lock();
    gate(device).permits += calls;
    monitor_.wake_external(lock, device);
  }

  // Permits the next call of a device; repeated before that call, it still permits only one
  void release_next(int device) {
    const auto lock = monitor_.lock();
    gate(device).permits = std::max<std::int64_t>(gate(device).permits, 1);
    monitor_.wake_external(lock, device);
  }

  // Permits all further calls of all devices
  void open() {
    const auto lock = monitor_.lock();
    open_ = true;
    for (std::size_t device = 0; device < gates_.size(); ++device)
      monitor_.wake_external(lock, static_cast<int>(device));
  }

  // Whether a device waits for a permit
  bool holds(int device) {
    const auto lock = monitor_.lock();
    return gate(device).holds;
  }

  // Blocks all calls of a device while it is stalled, even if they are permitted
  void stall(int device, bool stalled) {
    const auto lock = monitor_.lock();
    gate(device).stalled = stalled;
    monitor_.wake_external(lock, device);
  }

 protected:
  // Waits for a permit and consumes it
  void before_call(int device) override {
    auto lock = monitor_.lock();
    DeviceGate& d = gate(device);
    d.holds = true;
    monitor_.wait_external(lock, device, [&] { return !d.stalled && (open_ || d.permits > 0); });
    d.holds = false;
    if (!open_) --d.permits;
  }

 private:
  struct DeviceGate {
    std::int64_t permits = 0;
    bool stalled = false, holds = false;
  };
  DeviceGate& gate(int device) { return gates_[static_cast<std::size_t>(device)]; }

  RunMonitor& monitor_;            // its lock protects the fields below
  std::vector<DeviceGate> gates_;  // by device
  bool open_ = false;
};

}  // namespace ringattn
