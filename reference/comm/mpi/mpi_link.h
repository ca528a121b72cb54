#pragma once

#include <array>

#include "reference/comm/link.h"
#include "reference/comm/mpi/mpi_communicator.h"

namespace ringattn {

// The links of the device that lives in this process: its own incoming slot, and what it knows of the slot of
// the next device, in the next process. Who empties a slot says so to the one that fills it.
template <class T>
class MpiLink : public Link<T> {
 public:
  explicit MpiLink(MpiCommunicator& mpi);
  ~MpiLink() override;

  // From now on messages belong to the next pass round the ring
  void begin_pass() { ++pass_; }

  double reserve(int device, Channel channel) override;
  void send(int device, Channel channel, const Message<T>& message) override;
  void receive(int device, Channel channel, Message<T>& held, double now) override;

 private:
  // The incoming slot of this device
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

  // Whether there is room in the slot of the next device
  class RemoteSlot : public ReceiveHandler {
   public:
    explicit RemoteSlot(MpiCommunicator& mpi) : mpi_(mpi) {}
    Buffers buffers_for(std::span<const std::int64_t> header) override;
    void on_received() override;

    bool empty = true;
    std::int64_t pass = 0;   // in which it was emptied
    double empty_since = 0;  // virtual nanoseconds

   private:
    MpiCommunicator& mpi_;
  };

  void post_receive(Channel channel);

  MpiCommunicator& mpi_;
  std::array<Slot, 2> slots_;  // by channel
  std::array<RemoteSlot, 2> remote_slots_;
  std::int64_t pass_ = 0;
};

}  // namespace ringattn
