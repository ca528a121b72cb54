#pragma once

#include <map>

#include "reference/comm/link.h"
#include "reference/comm/mpi/mpi_communicator.h"

namespace ringattn {

// The link of the one device in this process, to devices in other processes. Each slot is in the memory of its
// receiver, so the sender cannot test whether it is empty. Instead the receiver returns a credit when it empties the
// slot:
//
//   rank r, reserve     waits for the credit of the previous message
//   rank r, send        block  ------------------>  slot of the route on rank s
//                                                   rank s, receive takes the message and posts the next receive
//   rank r              credit <------------------  with the virtual time since when the slot is empty
//
// A sender starts with one credit for each route, so at most one message per route is under way and a receiver needs one
// slot, as in InProcessLink. The progress thread fills Slot and RemoteSlot; the lock of the monitor protects
// both.
template <class T>
class MpiLink : public Link<T> {
 public:
  explicit MpiLink(MpiCommunicator& mpi) : mpi_(mpi) {}
  ~MpiLink() override;

  // Starts the next pass and posts the first receive of each new route to this process. As in a new InProcessLink, every
  // slot is empty since virtual time 0, whatever the credits of the previous pass say
  void begin_pass(const std::vector<Route>& routes);

  double reserve(int device, int to, Channel channel) override;
  void send(int device, int to, Channel channel, const Message<T>& message) override;
  void receive(int device, int from, Channel channel, Message<T>& held, double now) override;

 private:
  // The slot of a route to this device
  class Slot : public ReceiveHandler {
   public:
    explicit Slot(MpiCommunicator& mpi) : mpi_(mpi) {}
    Buffers buffers_for(std::span<const std::int64_t> header) override;
    void on_received() override;

    Message<T> message;
    bool full = false;

   private:
    MpiCommunicator& mpi_;
  };

  // The state of the slot of a route from this device, from its credits
  class RemoteSlot : public ReceiveHandler {
   public:
    explicit RemoteSlot(MpiCommunicator& mpi) : mpi_(mpi) {}
    Buffers buffers_for(std::span<const std::int64_t> header) override;
    void on_received() override;

    bool empty = true;
    std::int64_t pass = 0;   // the pass in which the slot was emptied
    double empty_since = 0;  // virtual nanoseconds

   private:
    MpiCommunicator& mpi_;
  };

  void post_receive(const Route& route) {
    mpi_.post_receive(route.from, message_tag(route.channel), slots_.at(route));
  }

  MpiCommunicator& mpi_;
  std::map<Route, Slot> slots_;               // of routes to this device
  std::map<Route, RemoteSlot> remote_slots_;  // of routes from this device
  std::int64_t pass_ = 0;
};

}  // namespace ringattn
