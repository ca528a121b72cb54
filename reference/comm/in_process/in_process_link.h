#pragma once

#include <array>

#include "reference/comm/link.h"
#include "reference/comm/run_monitor.h"

namespace ringattn {

// How a block reaches the next device of the same process.
enum class Exchange {
  copy,  // its numbers are copied into the slot, as between the memories of real devices
  move,  // the next device receives the tensors themselves; the fastest way inside one memory
};

// Links between the devices of one process, whether each has a thread or one thread runs all: one incoming slot for each
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
