#pragma once

#include "reference/comm/link.h"
#include "reference/comm/run_monitor.h"

namespace ringattn {

// Makes the links of a run as slow as real ones. A message carries the moment at which it arrives, and the
// *receiver* waits for that: the sender goes on with its arithmetic, as it would with a network card.
template <class T>
class ThrottledLink : public Link<T> {
 public:
  ThrottledLink(Link<T>& inner, RunMonitor& monitor, int devices, const CostModel& speed);

  // The link from _device_ to the next; may be called while the run is under way
  void set_speed(int device, const CostModel& speed);

  double reserve(int device, Channel channel) override { return inner_.reserve(device, channel); }
  void send(int device, Channel channel, const Message<T>& message) override;
  void receive(int device, Channel channel, Message<T>& held, double now) override;

 private:
  struct Wire {
    CostModel speed;
    WallClock::time_point free;  // both lanes share the wire
  };

  Link<T>& inner_;
  RunMonitor& monitor_;
  std::vector<Wire> wires_;  // by sending device
};

}  // namespace ringattn
