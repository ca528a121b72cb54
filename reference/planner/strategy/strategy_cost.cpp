#include "reference/planner/strategy/strategy_cost.h"

#include <algorithm>
#include <cmath>

#include "reference/planner/strategy/pass_bytes.h"
#include "reference/planner/strategy/ring_clock.h"

namespace ringattn::planner {

namespace {

// The time of a pass, and the arithmetic of all devices in it.
struct PassTime {
  double seconds = 0, busy_seconds = 0;
};

class PassClock {
 public:
  PassClock(Strategy strategy, bool backward, const AttentionWork& work, const Machine& machine)
      : strategy_(strategy), backward_(backward), work_(work), machine_(machine) {}

  PassTime time() const {
    switch (strategy_) {
      case Strategy::ring:
      case Strategy::ring_q:
      case Strategy::burst:
        return around_ring(work_.shape, machine_, 1);
      case Strategy::bidirectional:
        return around_ring(work_.shape, machine_, separate_links() ? 0.5 : 1);
      case Strategy::all_gather:
        return all_gather();
      case Strategy::ulysses:
        return resharded_ring(group().devices());
      case Strategy::usp:
        return resharded_ring(group().ulysses);
      case Strategy::double_ring:
        return double_ring();
      case Strategy::token_ring:
        return token_ring();
      case Strategy::tree:
        return tree();
    }
    return {};
  }

 private:
  const Group& group() const { return machine_.group; }
  double flops_per_pair() const {
    return backward_ ? work_.shape.backward_flops_per_pair() : work_.shape.forward_flops_per_pair();
  }
  bool separate_links() const {
    return machine_.node_link.own_link_for_each_neighbour &&
           (!machine_.spans_nodes() || machine_.network.own_link_for_each_neighbour);
  }
  // The slowest link of the ring, and a message over it
  double hop_seconds(double bytes) const {
    const double node = machine_.transfer_seconds(machine_.node_link, bytes);
    return machine_.spans_nodes() ? std::max(node, machine_.transfer_seconds(machine_.network, bytes)) : node;
  }
  RingPass ring_pass(const AttentionShape& shape, int devices) const {
    return {ring_pass_kind(strategy_, backward_), shape, work_.bytes, work_.layout, devices};
  }

  PassTime around_ring(const AttentionShape& shape, Machine machine, double message_part) const {
    if (machine.group.devices() == 1) machine.links_take_no_time = true;
    const RingPass pass = ring_pass(shape, machine.group.devices());
    PassTime result;
    for (const DeviceTime& device : ring_clock(pass, shape, work_.layout, machine.costs(flops_per_pair()),
                                               work_.overlap, message_part)) {
      result.seconds = std::max(result.seconds, 1e-9 * device.end);
      result.busy_seconds += 1e-9 * device.busy;
    }
    return result;
  }

  // The same if messages took no time: arithmetic, and the waiting of devices for those with more pairs
  PassTime without_messages() const {
    Machine machine = machine_;
    machine.links_take_no_time = true;
    return around_ring(work_.shape, machine, 1);
  }

  // The K/V heads are gathered one after the other, so that arithmetic on one hides the transfer of the next
  PassTime all_gather() const {
    PassTime result;
    const VisiblePairs visible(work_.shape, work_.layout, group().devices());
    for (int device = 0; device < group().devices(); ++device) {
      double pairs = 0;
      for (int owner = 0; owner < group().devices(); ++owner) pairs += visible.of(device, owner);
      const double seconds = machine_.work_seconds(pairs, flops_per_pair());
      result.seconds = std::max(result.seconds, seconds), result.busy_seconds += seconds;
    }
    const RingPass pass = ring_pass(work_.shape, group().devices());
    const auto chunks = static_cast<double>(work_.shape.kv_heads);
    const double message =
        (group().devices() - 1) * hop_seconds((pass.mean_block_bytes() + pass.mean_result_bytes()) / chunks);
    result.seconds = pipelined_seconds(chunks, result.seconds / chunks, message, work_.overlap);
    return result;
  }

  // All-to-all, a ring over the groups, all-to-all. Nothing hides the exchanges
  PassTime resharded_ring(int degree) const {
    Machine rings = machine_;
    if (degree >= group().per_node)
      rings.group = {group().devices() / degree, 1, 1};
    else
      rings.group.per_node = group().per_node / degree;
    PassTime result = around_ring(resharded(work_.shape, degree), rings, 1);
    result.busy_seconds *= degree;

    // A message to each of the peers, over both kinds of links at once
    const double peers = degree - 1, in_node = std::min(degree, group().per_node) - 1;
    if (peers == 0) return result;
    const double each = all_to_all_bytes(work_, degree) / peers;
    result.seconds += std::max(
        machine_.transfer_seconds(machine_.node_link, in_node * each),
        peers > in_node ? machine_.transfer_seconds(machine_.network, (peers - in_node) * each) : 0.0);
    return result;
  }

  // A round of w steps hides one transfer to the next node, each step of it one transfer inside the node. The results
  // of the last step go home afterwards, over both kinds of links
  PassTime double_ring() const {
    const RingPass pass = ring_pass(work_.shape, group().devices());
    PassTime result = without_messages();
    const double n = group().nodes, w = group().per_node, step = result.seconds / (n * w),
                 results = pass.mean_result_bytes(), bytes = pass.mean_block_bytes() + results,
                 inner = machine_.transfer_seconds(machine_.node_link, bytes),
                 outer = machine_.transfer_seconds(machine_.network, bytes);
    const double round = work_.overlap ? (w - 1) * std::max(step, inner) + step : w * step + (w - 1) * inner;
    result.seconds = (n - 1) * (work_.overlap ? std::max(round, outer) : round + outer) + round;
    if (pass.results_travel())
      result.seconds += machine_.transfer_seconds(machine_.node_link, results) +
                        machine_.transfer_seconds(machine_.network, results);
    return result;
  }

  // A device sends Q and a partial result in each step, and waits for the last partial result
  PassTime token_ring() const {
    const RowBytes row(work_.shape, work_.bytes);
    const double P = group().devices(), queries = static_cast<double>(work_.shape.queries) / P;
    PassTime result = without_messages();
    const double step = result.seconds / P, partial = queries * (row.o + row.statistic),
                 message = hop_seconds(queries * row.q + partial);
    if (P > 1)
      result.seconds =
          (P - 1) * (work_.overlap ? std::max(step, message) : step + message) + step + hop_seconds(partial);
    return result;
  }

  // Every device attends with all queries to its keys, then merges with one partner in each round
  PassTime tree() const {
    PassCost cost;
    add_bytes(Strategy::tree, false, work_, cost);
    const double rounds = std::ceil(std::log2(group().devices())),
                 in_node = std::ceil(std::log2(group().per_node)),
                 message = rounds > 0 ? cost.bytes_sent / rounds : 0,
                 busy = machine_.work_seconds(visible_pairs(work_.shape), flops_per_pair());
    return {busy / group().devices() + in_node * machine_.transfer_seconds(machine_.node_link, message) +
                (rounds - in_node) * machine_.transfer_seconds(machine_.network, message),
            busy};
  }

  Strategy strategy_;
  bool backward_;
  const AttentionWork& work_;
  Machine machine_;
};

PassCost pass_cost(Strategy strategy, bool backward, const AttentionWork& work) {
  PassCost cost;
  add_bytes(strategy, backward, work, cost);
  Machine ideal = work.machine;
  ideal.links_take_no_time = true;
  const PassTime time = PassClock(strategy, backward, work, work.machine).time();
  cost.seconds = time.seconds, cost.busy_seconds = time.busy_seconds;
  cost.exposed_seconds = time.seconds - PassClock(strategy, backward, work, ideal).time().seconds;
  return cost;
}

}  // namespace

double StrategyCost::peak_bytes() const {
  return std::max(forward.peak_bytes, backward ? backward->peak_bytes : 0.0);
}

StrategyCost strategy_cost(Strategy strategy, const AttentionWork& work) {
  StrategyCost cost{pass_cost(strategy, false, work), {}};
  if (work.backward) cost.backward = pass_cost(strategy, true, work);
  return cost;
}

double pipelined_seconds(double count, double work, double message, bool overlap) {
  if (!overlap) return count * (work + message);
  return count * std::max(work, message) + std::min(work, message);
}

}  // namespace ringattn::planner
