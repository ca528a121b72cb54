#pragma once

#include "reference/comm/decorators/step_gate.h"
#include "reference/comm/decorators/throttled_link.h"
#include "visualizer/run/link_controller.h"

namespace ringattn::viz {

// Links with a gate before each operation and a speed that a LinkController sets.
template <class T>
class ControlledLinks final : public Link<T>, public ControlledPass {
 public:
  ControlledLinks(Link<T>& inner, RunMonitor& monitor, Recorders& recorders, LinkController& controller)
      : monitor_(monitor),
        throttle_(inner, monitor, static_cast<int>(recorders.size()), {}),
        gate_(throttle_, monitor, static_cast<int>(recorders.size())),
        recorders_(recorders),
        controller_(controller) {
    controller_.begin(*this);
  }
  ~ControlledLinks() override { controller_.end(); }

  double reserve(int device, int to, Channel channel) override {
    const double empty_since = gate_.reserve(device, to, channel);
    // The virtual clock charges the next message at the current speed of the link, as well
    recorders_[static_cast<std::size_t>(device)].set_cost(controller_.speed(device));
    return empty_since;
  }
  void send(int device, int to, Channel channel, const Message<T>& message) override {
    gate_.send(device, to, channel, message);
  }
  void receive(int device, int from, Channel channel, Message<T>& held, double now) override {
    gate_.receive(device, from, channel, held, now);
  }

  void step(int device) override { gate_.release_next(device); }
  void open() override { gate_.open(); }
  bool holds(int device) override { return gate_.holds(device); }
  void stall(int device, bool stalled) override { gate_.stall(device, stalled); }
  void set_speed(int device, const CostModel& speed) override { throttle_.set_speed(device, speed); }
  void stop() override { monitor_.fail(std::make_exception_ptr(RunStopped())); }

 private:
  RunMonitor& monitor_;
  ThrottledLink<T> throttle_;
  StepGate<T> gate_;
  Recorders& recorders_;  // each is used by the thread of its own device only
  LinkController& controller_;
};

}  // namespace ringattn::viz
