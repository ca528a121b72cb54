#pragma once

#include <array>

#include "reference/ring/link.h"
#include "reference/transport/waiting_room.h"

namespace ringattn {

// What happens to a block on its way to the next device of the same process.
enum class Exchange {
  copied,       // its numbers are copied into the slot, as between the memories of real devices
  handed_over,  // the next device gets the very tensors; the fastest way inside one memory
};

// Links between the devices of one process, be they threads or all in one thread: an incoming slot for each
// device and lane.
template <class T>
class Slots : public Link<T> {
 public:
  Slots(int devices, Exchange exchange, WaitingRoom& room);

  double reserve(int device, Lane lane) override;
  void send(int device, Lane lane, const Message<T>& message) override;
  void receive(int device, Lane lane, Message<T>& held, double now) override;

 private:
  struct Slot {
    Message<T> message;
    bool full = false;
    double empty_since = 0;  // virtual nanoseconds
    std::string waits_for_message, waits_for_room;
  };
  Slot& slot_of(int device, Lane lane) {
    return slots_[lane == Lane::ahead ? 0 : 1][static_cast<std::size_t>(device)];
  }

  int devices_;
  Exchange exchange_;
  WaitingRoom& room_;
  std::array<std::vector<Slot>, 2> slots_;
};

}  // namespace ringattn
