// Mistakes in the schedule of the ring: number of steps, direction, owner of the block.

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/ring_trace.h"

namespace ringattn {

namespace {

AttentionOutput<double> attend_with(const Simulation& sim, const Override& change) {
  return attend_along_trace(with_overrides(sim.sharding(), change), sim);
}

// The device holds the block of _owner_ instead of the scheduled one. The mask uses the positions of the scheduled
// block, or of the block held.
void replace(Visit& visit, int owner, const Variant& variant) {
  visit.K = visit.V = owner;
  if (given(variant, "mask", 0) == 1) visit.positions = owner;
}

// ---- The variants -----------------------------------------------------------

Variants with_either_mask(const Simulation& sim) {
  return has_mask(sim)
             ? on_several_devices(sim) * each_named("mask", {"of the scheduled block", "of the block held"})
             : on_several_devices(sim);
}

// ---- Number of steps --------------------------------------------------------

AttentionOutput<double> last_hops_missing(const Simulation& sim, const Variant& variant) {
  return attend_with(sim, [&](int, int step, Visit& visit) {
    if (step >= sim.devices() - variant["hops missing"]) visit.skip();
  });
}

Variants hops_missing(const Simulation& sim) {
  return each_of("hops missing", 1, std::min(3, sim.devices()));
}

AttentionOutput<double> own_step_skipped(const Simulation& sim, const Variant&) {
  return attend_with(sim, [](int, int step, Visit& visit) {
    if (step == 0) visit.skip();
  });
}

AttentionOutput<double> own_block_twice(const Simulation& sim, const Variant& variant) {
  return attend_with(sim, [&](int device, int step, Visit& visit) {
    if (step > 0) replace(visit, sim.sharding().owner_at(device, step - 1), variant);
  });
}

AttentionOutput<double> one_hop_too_many(const Simulation& sim, const Variant&) {
  return attend_with(sim, [](int, int step, Visit& visit) {
    if (step == 0) visit.times = 2;
  });
}

AttentionOutput<double> stopped_at_first_masked_block(const Simulation& sim, const Variant&) {
  RingTrace trace = correct_ring_trace(sim.sharding());
  for (int device = 0; device < sim.devices(); ++device) {
    bool stopped = false;
    for (Visit& visit : trace[static_cast<std::size_t>(device)]) {
      stopped = stopped || !may_see(sim, device, visit.K);
      if (stopped) visit.skip();
    }
  }
  return attend_along_trace(trace, sim);
}

AttentionOutput<double> too_few_hops_for_the_window(const Simulation& sim, const Variant&) {
  const Index hops = sim.problem().scoring.mask.window_left / largest_block(sim);
  return attend_with(sim, [&](int, int step, Visit& visit) {
    if (step > hops) visit.skip();
  });
}

Variants causal_window(const Simulation& sim) {
  const Mask& mask = sim.problem().scoring.mask;
  return only_if(sim.sharding().layout == Layout::contiguous && mask.causal && mask.window_left >= 0 &&
                     largest_block(sim) > 0,
                 on_several_devices(sim));
}

// ---- Direction, and which tensors move ---------------------------------------

AttentionOutput<double> never_rotated(const Simulation& sim, const Variant& variant) {
  return attend_with(sim, [&](int device, int, Visit& visit) { replace(visit, device, variant); });
}

AttentionOutput<double> rotated_the_wrong_way(const Simulation& sim, const Variant& variant) {
  const bool mask_told = variant["told"] == 1;
  return attend_with(sim, [&](int device, int step, Visit& visit) {
    const int due = visit.K, there = sim.sharding().owner_at(device, -step);
    visit = {there, there, mask_told ? there : due};
    if (!may_see(sim, device, due)) visit.skip();
  });
}

Variants wrong_way_variants(const Simulation& sim) {
  return only_if(has_mask(sim) && sim.devices() > 2,
                 each_named("told", {"neither the mask nor the skip test", "only the mask"}));
}

AttentionOutput<double> V_not_rotated(const Simulation& sim, const Variant&) {
  return attend_with(sim, [](int device, int, Visit& visit) { visit.V = device; });
}

AttentionOutput<double> K_not_rotated(const Simulation& sim, const Variant& variant) {
  return attend_with(sim, [&](int device, int, Visit& visit) {
    const int V = visit.V;
    replace(visit, device, variant);
    visit.V = V;
  });
}

AttentionOutput<double> one_hop_late(const Simulation& sim, const Variant& variant) {
  return attend_with(sim, [&](int device, int step, Visit& visit) {
    const int before = sim.sharding().owner_at(device, std::max(step - 1, 0));
    (variant["behind"] == 0 ? visit.V : visit.K) = before;
  });
}

Variants lagging_operands(const Simulation& sim) {
  return on_several_devices(sim) * each_named("behind", {"V", "K"});
}

// Separate rings of `ring` neighbouring devices each
AttentionOutput<double> small_rings(const Simulation& sim, const Variant& variant) {
  const auto size = static_cast<int>(variant["ring"]);
  return attend_with(sim, [&](int device, int step, Visit& visit) {
    const int first = device / size * size;
    replace(visit, first + (device - first + sim.devices() - step) % size, variant);
    if (step >= size && variant["steps"] == 1) visit.skip();
  });
}

Variants ring_sizes(const Simulation& sim) {
  Variants sizes;
  for (Index size = 2; size < sim.devices(); ++size)
    if (sim.devices() % size == 0) sizes = concatenate({sizes, each_of("ring", {size})});
  return sizes * each_named("steps", {"one per device", "one per device of the small ring"}) *
         with_either_mask(sim);
}

// ---- Owner assumed by the mask -----------------------------------------------

AttentionOutput<double> owner_off_by_one(const Simulation& sim, const Variant& variant) {
  const int offset = static_cast<int>(variant["owner off by"]), P = sim.devices();
  const bool own_block_right = variant["steps"] == 1;
  return attend_with(sim, [&](int, int step, Visit& visit) {
    if (step > 0 || !own_block_right) visit.positions = (visit.positions + offset + P) % P;
  });
}

Variants owner_offsets(const Simulation& sim) {
  const Variants offsets =
      sim.devices() > 2 ? each_of("owner off by", {1, -1}) : each_of("owner off by", {1});
  return only_if(has_mask(sim),
                 on_several_devices(sim) * offsets * each_named("steps", {"all", "all but the first"}));
}

AttentionOutput<double> positions_not_sent(const Simulation& sim, const Variant&) {
  return attend_with(sim, [](int device, int, Visit& visit) { visit.positions = device; });
}

Variants of_a_masked_ring(const Simulation& sim) { return only_if(has_mask(sim), on_several_devices(sim)); }

}  // namespace

std::vector<Mistake> ring_mistakes() {
  return {
      {.id = "R1",
       .family = Family::ring,
       .title = "the last hop is missing",
       .wrong = "steps 0 .. P-2",
       .fingerprint = "on every device the block of its next neighbour has weight 0; with a causal mask and "
                      "contiguous shards only the last device is wrong",
       .why = "The test that omits the unneeded last send also omits the last attention step.",
       .fix = "Attend at P steps, send at P - 1.",
       .variants = hops_missing,
       .forward = last_hops_missing},
      {.id = "R2",
       .family = Family::ring,
       .title = "the own block is skipped",
       .wrong = "steps 1 .. P-1",
       .fingerprint = "weight 0 on the diagonal of the device-by-block weights; with a causal mask the first "
                      "row is empty",
       .why = "The device waits for the first received block before it attends to anything.",
       .fix = "Attend to the own block at step 0.",
       .variants = on_several_devices,
       .forward = own_step_skipped},
      {.id = "R3",
       .family = Family::ring,
       .title = "the own block is double-counted and the last block is lost",
       .wrong = "at step t >= 1, the block of owner r - t + 1",
       .fingerprint =
           "weight 2 on the diagonal of the device-by-block weights, 0 for the block of the next neighbour",
       .why = "The buffers are swapped after the attention step that should use the new block.",
       .fix = "Swap the buffers between two attention steps.",
       .variants = with_either_mask,
       .forward = own_block_twice},
      {.id = "R4",
       .family = Family::ring,
       .title = "the blocks are never rotated",
       .wrong = "K, V of owner r at every step",
       .fingerprint = "only the own block contributes, P times: out is attention to the own block, and lse "
                      "is too large by up to log P",
       .why = "Blocks are sent and received, but the loop keeps using the old buffers.",
       .fix = "Attend to the received block.",
       .seen_in = "sgl-project/sglang#33353",
       .variants = with_either_mask,
       .forward = never_rotated},
      {.id = "R5",
       .family = Family::ring,
       .title = "the ring rotates in the opposite direction to its mask",
       .wrong = "at step t, the block of owner r + t is masked as the block of owner r - t",
       .fingerprint = "right without a mask; with a causal mask and contiguous shards the first and the last "
                      "device are right and all others wrong",
       .why = "The order of the blocks has no effect, but the mask depends on their owner.",
       .fix = "Send to r + 1 and use the owner (r - t) mod P, or reverse both.",
       .variants = wrong_way_variants,
       .forward = rotated_the_wrong_way},
      {.id = "R6",
       .family = Family::ring,
       .title = "V is not rotated",
       .wrong = "K of owner r - t with V of owner r",
       .fingerprint = "lse is right, out is wrong; the contribution of the first block is right",
       .why = "Only one of the two buffers is replaced by the received one.",
       .fix = "Replace K and V together.",
       .variants = on_several_devices,
       .forward = V_not_rotated},
      {.id = "R7",
       .family = Family::ring,
       .title = "K is not rotated",
       .wrong = "K of owner r with V of owner r - t",
       .fingerprint = "out and lse are wrong; lse is that of P copies of the own keys",
       .why = "Only one of the two buffers is replaced by the received one.",
       .fix = "Replace K and V together.",
       .variants = with_either_mask,
       .forward = K_not_rotated},
      {.id = "R8",
       .family = Family::ring,
       .title = "one of K and V lags one hop behind the other",
       .wrong = "K of owner r - t with V of owner r - t + 1",
       .fingerprint =
           "lse is right if V lags; out is wrong on all devices that attend to more than their own block",
       .why = "The device waits for only one of the two transfers.",
       .fix = "Wait for both transfers before attending.",
       .variants = lagging_operands,
       .forward = one_hop_late},
      {.id = "R12",
       .family = Family::ring,
       .title = "the owner in the mask is off by one",
       .wrong = "the block is masked as that of owner r - t + 1 or r - t - 1",
       .fingerprint =
           "right without a mask; otherwise nearly every device attends to future keys or loses past ones",
       .why = "The step counter is incremented before the mask is computed, or devices are numbered from 1.",
       .fix = "Use owner = (r - t) mod P at the step t whose block is attended to.",
       .variants = owner_offsets,
       .forward = owner_off_by_one},
      {.id = "R19",
       .family = Family::ring,
       .title = "one hop too many",
       .wrong = "steps 0 .. P",
       .fingerprint = "weight 2 on the diagonal of the device-by-block weights, 1 everywhere else",
       .why = "After P hops the own block has returned and is counted again.",
       .fix = "Attend at P steps.",
       .variants = on_several_devices,
       .forward = one_hop_too_many},
      {.id = "R20",
       .family = Family::ring,
       .title = "a device stops at the first masked block",
       .wrong = "the loop ends at a masked block instead of skipping the step",
       .fingerprint = "blocks after the first masked one have weight 0; no error with a causal mask and "
                      "contiguous shards of equal length, but wrong with two-sided windows and documents",
       .why = "Blocks do not arrive in the order of their distance.",
       .fix = "Skip the computation of the step, but continue the ring.",
       .variants = of_a_masked_ring,
       .forward = stopped_at_first_masked_block},
      {.id = "R21",
       .family = Family::ring,
       .title = "a ring with a window makes one hop too few",
       .wrong = "hops = floor(window / block) instead of ceil(window / block)",
       .fingerprint = "the first rows of every device lose the oldest keys of their window",
       .why = "The first row of a device reaches further back than its last row.",
       .fix = "Use hops = ceil(window / block).",
       .variants = causal_window,
       .forward = too_few_hops_for_the_window},
      {.id = "R23",
       .family = Family::ring,
       .title = "positions are not sent with the block",
       .wrong = "every step is masked with the positions of the device's own keys",
       .fingerprint = "right without a mask; with a causal mask every block is masked with the same triangle",
       .why = "The position tensors are created once and not sent.",
       .fix = "Send the positions with K and V, or compute them from the owner.",
       .variants = of_a_masked_ring,
       .forward = positions_not_sent},
      {.id = "R24",
       .family = Family::ring,
       .title = "the ring splits into smaller rings",
       .wrong = "owners are computed within the group of r, for groups of g devices",
       .fingerprint = "the blocks of other groups have weight 0, those of the own group P / g or 1",
       .why = "Device indices and neighbours are computed within a node.",
       .fix = "Compute the neighbours over all devices: (r + 1) mod P.",
       .variants = ring_sizes,
       .forward = small_rings},
  };
}

}  // namespace ringattn
