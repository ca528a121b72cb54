#pragma once

#include <array>

#include "reference/ring/link.h"
#include "reference/ring/ring_options.h"
#include "reference/comm/run_monitor.h"

namespace ringattn {

// Links between the devices of one process, be they threads or all in one thread: an incoming slot for each
// device and channel.
template <class T>
class InProcessLink : public Link<T> {
 public:
  InProcessLink(int devices, Exchange exchange, RunMonitor& monitor);

  double reserve(int device, Channel channel) override;
  void send(int device, Channel channel, const Message<T>& message) override;
  void receive(int device, Channel channel, Message<T>& held, double now) override;

 private:
  struct Slot {
    Message<T> message;
    bool full = false;
    double empty_since = 0;  // virtual nanoseconds
    std::string waiting_for_message, waiting_for_slot;
  };
  Slot& slot_of(int device, Channel channel) {
    return slots_[channel == Channel::blocks ? 0 : 1][static_cast<std::size_t>(device)];
  }

  int devices_;
  Exchange exchange_;
  RunMonitor& monitor_;
  std::array<std::vector<Slot>, 2> slots_;
};

}  // namespace ringattn
