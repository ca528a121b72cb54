#pragma once

#include "reference/transport/gated.h"
#include "reference/transport/throttled.h"
#include "visualizer/run/steering.h"

namespace ringattn::viz {

// Links with a gate before each verb, and as slow as they are told to be.
template <class T>
class SteeredLinks final : public Link<T>, public SteeredPass {
 public:
  SteeredLinks(Link<T>& inner, WaitingRoom& room, Recorders& pens, Steering& steering)
      : room_(room),
        throttled_(inner, room, static_cast<int>(pens.size()), {}),
        gated_(throttled_, room, static_cast<int>(pens.size())),
        pens_(pens),
        steering_(steering) {
    steering_.begin(*this);
  }
  ~SteeredLinks() override { steering_.end(); }

  double reserve(int device, Lane lane) override {
    const double empty_since = gated_.reserve(device, lane);
    // The next message goes at the speed that the link has now, on the virtual clock, too
    pens_[static_cast<std::size_t>(device)].set_cost(steering_.speed(device));
    return empty_since;
  }
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
  Recorders& pens_;  // each is touched by its own device only
  Steering& steering_;
};

}  // namespace ringattn::viz
