#pragma once

#include <map>

#include "reference/comm/link.h"
#include "reference/comm/run_monitor.h"

namespace ringattn {

// How a block reaches the next device of the same process.
enum class Exchange {
  copy,  // the tensors are copied into the slot, as between the memories of real devices
  move,  // the next device receives the tensors themselves, without a copy
};

// The link between devices that share a process: one slot for each route. In a ring, for each channel:
//
//             send            receive             send            receive
//   device 0 ------> [ slot ] ------> device 1 ------> [ slot ] ------> device 2 ---> ... ---> device 0
//
// The flag _full_ decides who may access a slot: the sender while it is empty, the receiver while it is full. So a
// sender copies its block into an empty slot without the lock, and takes the lock only to set the flag. A slot that is
// full makes the next reserve wait; a slot that is empty makes receive wait. Lockstep (one thread) and one thread per
// device use the same code: RunMonitor::wait returns at once if the condition holds.
template <class T>
class InProcessLink : public Link<T> {
 public:
  InProcessLink(const std::vector<Route>& routes, Exchange exchange, RunMonitor& monitor);

  double reserve(int device, int to, Channel channel) override;
  void send(int device, int to, Channel channel, const Message<T>& message) override;
  void receive(int device, int from, Channel channel, Message<T>& held, double now) override;

 private:
  struct Slot {
    Message<T> message;
    bool full = false;
    double empty_since = 0;  // virtual nanoseconds
  };
  Slot& slot_of(const Route& route) { return slots_.at(route); }

  Exchange exchange_;
  RunMonitor& monitor_;
  std::map<Route, Slot> slots_;
};

}  // namespace ringattn
