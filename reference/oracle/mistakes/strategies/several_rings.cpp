// Mistakes of a ring of rings, and of two rings in opposite directions.

#include <algorithm>

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/backward/rules.h"
#include "reference/oracle/mistakes/ring_trace.h"
#include "reference/oracle/mistakes/strategies/device_groups.h"

namespace ringattn {

namespace {

// ---- A ring of rings -----------------------------------------------------------------

// Device r is number r mod w of node r div w. At step i of round o it holds the block that entered its node on device
// (r - i) mod w of the node; entered(device, round) is the owner of the block that enters on a device.
struct DoubleRing {
  int w, devices;

  DoubleRing(const Sharding& sharding, const Variant& variant)
      : w(static_cast<int>(variant["w"])), devices(sharding.devices()) {}

  int rounds() const { return devices / w; }
  int entry(int device, int step) const { return device / w * w + resident_owner(device % w, step, w); }
  int entered(int device, int round) const { return resident_owner(device, round * w, devices); }
};

// The owner of the block that a device holds at a step of a round
using HeldBlock = std::function<int(const DoubleRing&, int device, int round, int step)>;

AttentionOutput<double> attend_to_held_blocks(const Simulation& sim, const Variant& variant,
                                              const HeldBlock& held) {
  const DoubleRing rings(sim.sharding(), variant);
  RingTrace trace(static_cast<std::size_t>(rings.devices));
  for (int device = 0; device < rings.devices; ++device)
    for (int round = 0; round < rings.rounds(); ++round)
      for (int step = 0; step < rings.w; ++step) {
        const int owner = held(rings, device, round, step),
                  due = rings.entered(rings.entry(device, step), round);
        trace[static_cast<std::size_t>(device)].push_back(
            {owner, owner, given(variant, "mask", 1) == 1 ? owner : due});
      }
  return attend_along_trace(trace, sim);
}

enum Overwritten : Index { by_the_next, not_yet };

AttentionOutput<double> outer_buffer_reused(const Simulation& sim, const Variant& variant) {
  const bool next = variant["buffer"] == by_the_next;
  return attend_to_held_blocks(
      sim, variant, [next](const DoubleRing& rings, int device, int round, int step) {
        const int last = rings.rounds() - 1;
        const int read = next ? round + (step > 0 && round < last ? 1 : 0) : std::max(0, round - 1);
        return rings.entered(rings.entry(device, step), read);
      });
}

AttentionOutput<double> nodes_linked_by_neighbours(const Simulation& sim, const Variant& variant) {
  return attend_to_held_blocks(sim, variant, [](const DoubleRing& rings, int device, int round, int step) {
    return resident_owner(rings.entry(device, step), round, rings.devices);
  });
}

Variants each_node_size(const Simulation& sim) {
  const Variants sizes = each_group_size("w", sim);
  return has_mask(sim) ? sizes * each_named("mask", {"of the scheduled block", "of the block held"}) : sizes;
}

Variants each_buffer(const Simulation& sim) {
  return each_node_size(sim) *
         each_named("buffer", {"overwritten by the next round's block", "read before that block arrives"});
}

// dK and dV of the same row of the device to which they would go in the missing hop
Gradients<double> last_gradient_hop_missing(const BackwardSimulation& sim, const Variant& variant) {
  const DoubleRing rings(sim.sharding(), variant);
  const bool between_nodes = variant["hop"] == 0;
  const auto next = [&](int device) {
    return between_nodes ? rings.entered(device, -1) : rings.entry(device, -1);
  };
  Gradients<double> changed = sim.gradients();
  for (Tensor<double>* gradient : {&changed.dk, &changed.dv})
    *gradient = rows_of_other_devices(*gradient, sim.sharding().keys, next);
  return with_touched(variant, changed, sim.gradients());
}

Variants each_missing_hop(const Simulation& sim) {
  return each_group_size("w", sim) * each_named("hop", {"between nodes", "inside the node"}) *
         each_touched({dk_dv, dk_only, dv_only});
}

// ---- Two directions --------------------------------------------------------------------

AttentionOutput<double> opposite_block_miscounted(const Simulation& sim, const Variant& variant) {
  const int times = variant["the opposite block"] == 0 ? 2 : 0;
  return attend_along_trace(with_overrides(sim.sharding(),
                                           [&](int, int step, Visit& visit) {
                                             if (2 * step == sim.devices()) visit.times = times;
                                           }),
                            sim);
}

Variants where_a_block_is_opposite(const Simulation& sim) {
  return only_if(sim.devices() > 2 && sim.devices() % 2 == 0,
                 each_named("the opposite block", {"is counted twice", "is lost"}));
}

// The heads of one direction attend to the own block only, once or at every step
AttentionOutput<double> one_direction_not_received(const Simulation& sim, const Variant& variant) {
  const bool once = variant["steps"] == 0, own_positions = given(variant, "mask", 0) == 1;
  const RingTrace right = correct_ring_trace(sim.sharding());
  const RingTrace alone = with_overrides(sim.sharding(), [&](int device, int step, Visit& visit) {
    visit = {device, device, own_positions ? device : visit.positions};
    if (once && step > 0) visit.skip();
  });
  const Index half = (sim.problem().K.shape.H + 1) / 2;
  return attend_along_traces(
      [&](const QueryRow& row) -> const RingTrace& {
        const bool second = sim.problem().kv_head(row.h) >= half;
        return second == (variant["half"] == 1) ? alone : right;
      },
      sim);
}

Variants each_direction(const Simulation& sim) {
  Variants steps{Variant({"steps", 0, "only the first"})};
  const Variants every{Variant({"steps", 1, "all, with the own block"})};
  steps = concatenate({steps, has_mask(sim)
                                  ? every * each_named("mask", {"of the scheduled block", "of the own block"})
                                  : every});
  return only_if(sim.devices() > 1 && sim.problem().K.shape.H > 1,
                 each_named("half", {"the first K/V heads", "the last K/V heads"}) * steps);
}

}  // namespace

std::vector<Mistake> several_ring_mistakes() {
  return {
      {.id = "D1",
       .family = Family::strategies,
       .title = "double ring: the buffer between nodes is overwritten while it is used, or used too early",
       .wrong = "in round o, the devices of a node pass on the block of round o + 1, or of round o - 1",
       .fingerprint = "all blocks of one node have weight 2, or those of another node weight 0",
       .why = "The ring inside the node still sends the entry block when the next one arrives in its buffer.",
       .fix = "Receive from the other node into a buffer of its own, and exchange the buffers between two "
              "rounds.",
       .variants = each_buffer,
       .forward = outer_buffer_reused},
      {.id = "D2",
       .family = Family::strategies,
       .title = "double ring: the nodes are linked by neighbouring devices",
       .wrong = "the entry block goes to device r + 1 instead of device r + w of the next node",
       .fingerprint =
           "some blocks are double-counted and as many are lost, differently on each device of a node",
       .why = "The list of ranks between the nodes has the step 1 instead of w, the devices of a node.",
       .fix = "Link device b of a node to device b of the next node: r + w.",
       .variants = each_node_size,
       .forward = nodes_linked_by_neighbours},
      {.id = "D3",
       .family = Family::strategies,
       .title = "double ring: dK and dV lack the last hop between nodes or inside the node",
       .wrong = "device r returns dK, dV of the block of device r + w, or of the next device of its node",
       .fingerprint =
           "dq is right; dk and dv have the right rows, one node or one device away from their owner",
       .why = "K and V do not need the hop, but dK and dV must return to the device where their block began.",
       .fix = "Send the sums w times inside the node in each round, and P / w times between the nodes.",
       .variants = each_missing_hop,
       .backward = last_gradient_hop_missing},
      {.id = "B1",
       .family = Family::strategies,
       .title = "bidirectional ring: the opposite block is double-counted or lost",
       .wrong = "steps 1 .. P / 2 in both directions, although r + P / 2 and r - P / 2 are one device",
       .fingerprint = "even P: on every device the block halfway round the ring has weight 2, or 0",
       .why = "With an even number of devices, both directions bring the block of the opposite device.",
       .fix = "Attend to the opposite block in one direction only.",
       .variants = where_a_block_is_opposite,
       .forward = opposite_block_miscounted},
      {.id = "B2",
       .family = Family::strategies,
       .title = "bidirectional ring: the blocks of one direction never arrive",
       .wrong = "half of the K/V heads attend to the own block only",
       .fingerprint = "half of the heads are right; in the others only the own block has weight",
       .why = "Both directions use one channel or one buffer, and only one of them is received.",
       .fix = "Give each direction its own messages and buffers.",
       .variants = each_direction,
       .forward = one_direction_not_received},
  };
}

}  // namespace ringattn
