#pragma once

#include "reference/transport/gated.h"
#include "reference/transport/throttled.h"
#include "visualizer/run/steering.h"

namespace ringattn::viz {

// Links with a gate before each verb, and as slow as they are told to be.
template <class T>
class SteeredLinks final : public Link<T>, public SteeredPass {
 public:
  SteeredLinks(Link<T>& inner, WaitingRoom& room, int devices, Steering& steering)
      : room_(room),
        throttled_(inner, room, devices, {}),
        gated_(throttled_, room, devices),
        steering_(steering) {
    steering_.begin(*this);
  }
  ~SteeredLinks() override { steering_.end(); }

  double reserve(int device, Lane lane) override { return gated_.reserve(device, lane); }
  void send(int device, Lane lane, const Message<T>& message) override { gated_.send(device, lane, message); }
  void receive(int device, Lane lane, Message<T>& held, double now) override {
    gated_.receive(device, lane, held, now);
  }

  void step(int device) override { gated_.release_next(device); }
  void open() override { gated_.open(); }
  void stall(int device, bool stalled) override { gated_.stall(device, stalled); }
  void set_speed(int device, const CostModel& speed) override { throttled_.set_speed(device, speed); }
  void stop() override { room_.fail(std::make_exception_ptr(RunStopped())); }

 private:
  WaitingRoom& room_;
  Throttled<T> throttled_;
  Gated<T> gated_;
  Steering& steering_;
};

}  // namespace ringattn::viz
