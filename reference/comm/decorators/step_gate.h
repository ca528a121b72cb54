#pragma once

#include <algorithm>

#include "reference/comm/link.h"
#include "reference/comm/run_monitor.h"

namespace ringattn {

// Holds each verb of each device until somebody outside lets it pass: so that a run can be traced_rows step by
// step. It lives as long as the run and no longer: release it only while the run must still need that.
template <class T>
class StepGate : public Link<T> {
 public:
  StepGate(Link<T>& inner, RunMonitor& monitor, int devices)
      : inner_(inner), monitor_(monitor), gates_(static_cast<std::size_t>(devices)) {}

  // Lets the next _verbs_ verbs of a device pass
  void release(int device, std::int64_t verbs = 1) {
    const auto lock = monitor_.lock();
    gate(device).permits += verbs;
    monitor_.wake_external(lock, device);
  }

  // Lets the next verb of a device pass, and no more, however often it is said before the verb has come
  void release_next(int device) {
    const auto lock = monitor_.lock();
    gate(device).permits = std::max<std::int64_t>(gate(device).permits, 1);
    monitor_.wake_external(lock, device);
  }

  // Lets everything pass from now on
  void open() {
    const auto lock = monitor_.lock();
    open_ = true;
    for (std::size_t device = 0; device < gates_.size(); ++device)
      monitor_.wake_external(lock, static_cast<int>(device));
  }

  // Lets nothing of a device pass, whatever else is said, until it is no longer stalled
  void stall(int device, bool stalled) {
    const auto lock = monitor_.lock();
    gate(device).stalled = stalled;
    monitor_.wake_external(lock, device);
  }

  double reserve(int device, Channel channel) override {
    acquire(device);
    return inner_.reserve(device, channel);
  }
  void send(int device, Channel channel, const Message<T>& message) override {
    acquire(device);
    inner_.send(device, channel, message);
  }
  void receive(int device, Channel channel, Message<T>& held, double now) override {
    acquire(device);
    inner_.receive(device, channel, held, now);
  }

 private:
  struct DeviceGate {
    std::int64_t permits = 0;
    bool stalled = false;
  };
  DeviceGate& gate(int device) { return gates_[static_cast<std::size_t>(device)]; }

  void acquire(int device) {
    auto lock = monitor_.lock();
    DeviceGate& d = gate(device);
    monitor_.wait_external(lock, device, [&] { return !d.stalled && (open_ || d.permits > 0); });
    if (!open_) --d.permits;
  }

  Link<T>& inner_;
  RunMonitor& monitor_;
  std::vector<DeviceGate> gates_;  // by device
  bool open_ = false;
};

}  // namespace ringattn
