#pragma once

#include <unordered_map>

#include "reference/planner/strategy/no_numbers.h"

namespace ringattn::planner {

// What a device sends in a pass.
struct Sent {
  Index messages = 0;
  Index node_bytes = 0, network_bytes = 0;  // inside its node, and to other nodes

  Index bytes() const { return node_bytes + network_bytes; }
};

// The slots of a planned run in lockstep, with the virtual times of InProcessLink.
class CountingLink : public Link<NoNumbers> {
 public:
  CountingLink(int devices, const CostModel& cost) : cost_(cost), sent_(static_cast<std::size_t>(devices)) {}

  double reserve(int device, int to, Channel channel) override {
    return slot_of({device, to, channel}).empty_since;
  }
  void send(int device, int to, Channel channel, const Message<NoNumbers>& message) override;
  void receive(int device, int from, Channel channel, Message<NoNumbers>& held, double now) override;

  const std::vector<Sent>& sent() const { return sent_; }  // by device

 private:
  struct Slot {
    Message<NoNumbers> message;
    bool full = false;
    double empty_since = 0;
  };
  Slot& slot_of(const Route& route);

  const CostModel& cost_;
  std::vector<Sent> sent_;
  std::unordered_map<std::uint64_t, Slot> slots_;  // by route
};

}  // namespace ringattn::planner
