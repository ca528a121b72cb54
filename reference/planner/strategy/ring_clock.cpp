#include "reference/planner/strategy/ring_clock.h"

#include <algorithm>
#include <cmath>

#include "reference/comm/neighbours.h"
#include "reference/planner/strategy/planned_loop.h"
#include "reference/ring/resident_owner.h"

namespace ringattn::planner {

namespace {

// The incoming buffer of a device for one channel
struct Slot {
  double arrives = 0, empty_since = 0;
};

class RingClock {
 public:
  RingClock(const RingPass& pass, const AttentionShape& shape, Layout layout,
            const std::vector<CostModel>& costs, double message_part)
      : pass_(pass),
        pairs_(shape, layout, static_cast<int>(costs.size())),
        costs_(costs),
        devices_(static_cast<int>(costs.size())),
        clocks_(costs.size()),
        blocks_(costs.size()),
        results_(costs.size()) {
    for_all([&](int device) {
      block_bytes_.push_back(message_part * pass.block_bytes(device));
      result_bytes_.push_back(message_part * pass.result_bytes(device));
    });
  }

  std::vector<DeviceTime> run(bool overlap) {
    run_planned_loop(*this, devices_, overlap);
    std::vector<DeviceTime> times;
    for (const Clock& each : clocks_) times.push_back(each.time);
    return times;
  }

  void send_block(int device, int step) {
    if (!last(step)) send(device, blocks_, block_bytes_[owner_index(device, step)]);
  }

  void attend(int device, int step) {
    const int resident = owner(device, step);
    const bool keys = keys_travel(pass_.kind());
    const double work = costs_[static_cast<std::size_t>(device)].ns_per_pair *
                        pairs_.of(keys ? device : resident, keys ? resident : device);
    clock(device).time.busy += work;
    clock(device).time.end += work;
    if (pass_.results_travel() && step > 0) receive(device, results_);
  }

  void take_next(int device, int step) {
    if (pass_.results_travel()) send(device, results_, result_bytes_[owner_index(device, step)]);
    if (!last(step)) receive(device, blocks_);
  }

  void finish(int device) {
    if (pass_.results_travel()) receive(device, results_);
  }

 private:
  struct Clock {
    DeviceTime time;
    double link_free = 0, last_arrival = 0;
  };
  using Slots = std::vector<Slot>;

  template <class Action>
  void for_all(const Action& action) {
    for (int device = 0; device < devices_; ++device) action(device);
  }

  Clock& clock(int device) { return clocks_[static_cast<std::size_t>(device)]; }
  bool last(int step) const { return step == devices_ - 1; }
  int owner(int device, int step) const { return resident_owner(device, step, devices_); }
  std::size_t owner_index(int device, int step) const {
    return static_cast<std::size_t>(owner(device, step));
  }

  void wait_until(DeviceTime& time, double moment) {
    time.wait += std::max(0.0, moment - time.end);
    time.end = std::max(time.end, moment);
  }

  void send(int device, Slots& slots, double bytes) {
    const CostModel& cost = costs_[static_cast<std::size_t>(device)];
    Slot& slot = slots[static_cast<std::size_t>(next_device(device, devices_))];
    Clock& sender = clock(device);
    wait_until(sender.time, slot.empty_since);
    // The transfer starts when both the device and the link are ready; messages arrive in order
    const double start = std::max(sender.time.end, sender.link_free), latency = cost.latency_ns();
    sender.link_free = start + cost.transfer_ns(std::llround(bytes));
    sender.last_arrival = std::max(sender.link_free + latency, sender.last_arrival);
    slot.arrives = sender.last_arrival;
  }

  void receive(int device, Slots& slots) {
    Slot& slot = slots[static_cast<std::size_t>(device)];
    DeviceTime& time = clock(device).time;
    slot.empty_since = std::max(time.end, slot.arrives);
    wait_until(time, slot.arrives);
  }

  const RingPass& pass_;
  VisiblePairs pairs_;
  const std::vector<CostModel>& costs_;
  int devices_;
  std::vector<Clock> clocks_;
  Slots blocks_, results_;                          // by receiving device
  std::vector<double> block_bytes_, result_bytes_;  // that travel over one link, by owner
};

}  // namespace

std::vector<DeviceTime> ring_clock(const RingPass& pass, const AttentionShape& shape, Layout layout,
                                   const std::vector<CostModel>& costs, bool overlap, double message_part) {
  return RingClock(pass, shape, layout, costs, message_part).run(overlap);
}

}  // namespace ringattn::planner
