#pragma once

#include <array>

#include "reference/comm/link.h"
#include "reference/comm/run_monitor.h"

namespace ringattn {

// How a block reaches the next device of the same process.
enum class Exchange {
  copy,  // the tensors are copied into the slot, as between the memories of real devices
  move,  // the next device receives the tensors themselves, without a copy
};

// The link between devices that share a process. For each channel every device has one incoming slot:
//
//             send              receive             send              receive
//   device 0 ------> [ slot 1 ] ------> device 1 ------> [ slot 2 ] ------> device 2 ---> ... ---> device 0
//
// The flag _full_ decides who may access a slot: the sender while it is empty, the receiver while it is full. So a
// sender copies its block into an empty slot without the lock, and takes the lock only to set the flag. A slot that is
// full makes the next reserve wait; a slot that is empty makes receive wait. Lockstep (one thread) and one thread per
// device use the same code: RunMonitor::wait returns at once if the condition holds.
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
    double empty_since = 0;                             // virtual nanoseconds
    std::string waiting_for_message, waiting_for_slot;  // the reasons that a deadlock names
  };
  Slot& slot_of(int device, Channel channel) {
    return slots_[channel == Channel::blocks ? 0 : 1][static_cast<std::size_t>(device)];
  }

  int devices_;
  Exchange exchange_;
  RunMonitor& monitor_;
  std::array<std::vector<Slot>, 2> slots_;  // by channel and receiving device
};

}  // namespace ringattn
