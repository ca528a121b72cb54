#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/ring_trace.h"

namespace ringattn {

namespace {

AttentionOutput<double> attend_with(const Simulation& sim, const Override& change) {
  return attend_along_trace(with_overrides(sim.sharding(), change), sim);
}

// Another block lies there than the one that is due. The mask goes by the schedule, or by the positions that
// came with the block.
void replace(Visit& visit, int owner, const Variant& variant) {
  visit.K = visit.V = owner;
  if (given(variant, "mask", 0) == 1) visit.positions = owner;
}

// ---- The variants -----------------------------------------------------------

Variants of_a_ring(const Simulation& sim) { return only_if(sim.devices() > 1, single_variant()); }

Variants with_either_mask(const Simulation& sim) {
  return has_mask(sim) ? of_a_ring(sim) * each_named("mask", {"of the block due", "of the block there"})
                       : of_a_ring(sim);
}

// ---- How many steps ---------------------------------------------------------

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

AttentionOutput<double> stopped_at_the_first_hidden_block(const Simulation& sim, const Variant&) {
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
              of_a_ring(sim));
}

// ---- Which way, and what moves ----------------------------------------------

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

Variants told(const Simulation& sim) {
  return only_if(has_mask(sim) && sim.devices() > 2,
              each_named("told", {"neither the mask nor the test that skips blocks", "only the mask"}));
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

AttentionOutput<double> one_hop_behind(const Simulation& sim, const Variant& variant) {
  return attend_with(sim, [&](int device, int step, Visit& visit) {
    const int before = sim.sharding().owner_at(device, std::max(step - 1, 0));
    (variant["behind"] == 0 ? visit.V : visit.K) = before;
  });
}

Variants behind(const Simulation& sim) { return of_a_ring(sim) * each_named("behind", {"V", "K"}); }

// Rings of _ring_ neighbouring devices each
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
    if (sim.devices() % size == 0) sizes = either(sizes, each_of("ring", {size}));
  return sizes * each_named("steps", {"one for each device", "one for each device of the small ring"}) *
         with_either_mask(sim);
}

// ---- What the mask believes -------------------------------------------------

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
  return only_if(has_mask(sim), of_a_ring(sim) * offsets * each_named("steps", {"all", "all but the first"}));
}

AttentionOutput<double> positions_left_behind(const Simulation& sim, const Variant&) {
  return attend_with(sim, [](int device, int, Visit& visit) { visit.positions = device; });
}

Variants of_a_masked_ring(const Simulation& sim) { return only_if(has_mask(sim), of_a_ring(sim)); }

}  // namespace

std::vector<Mistake> ring_mistakes() {
  return {
      {.id = "R1",
       .family = Family::ring,
       .title = "the last hop is missing",
       .wrong = "steps 0 .. P-2",
       .fingerprint = "the block of the device's next neighbour has weight 0, on every device; with a causal "
                      "mask and contiguous shards only the last device is wrong",
       .why = "The test that saves the useless last send also stops the last attend.",
       .fix = "Attend at P steps, send at P-1.",
       .variants = hops_missing,
       .forward = last_hops_missing},
      {.id = "R2",
       .family = Family::ring,
       .title = "the own block is skipped",
       .wrong = "steps 1 .. P-1",
       .fingerprint =
           "weight 0 on the diagonal of devices and blocks; with a causal mask the first row is empty",
       .why = "A device waits for the first block to arrive before it attends to anything.",
       .fix = "Attend to the own block at step 0.",
       .variants = of_a_ring,
       .forward = own_step_skipped},
      {.id = "R3",
       .family = Family::ring,
       .title = "the own block is counted twice and the last block never",
       .wrong = "at step t >= 1 the block of owner r - t + 1",
       .fingerprint = "weight 2 on the diagonal of devices and blocks, 0 at the device's next neighbour",
       .why = "The buffers are exchanged after the attend that should have used the new one.",
       .fix = "Exchange the buffers between two attends.",
       .variants = with_either_mask,
       .forward = own_block_twice},
      {.id = "R4",
       .family = Family::ring,
       .title = "the blocks are never rotated",
       .wrong = "K, V of owner r at every step",
       .fingerprint = "only the own block counts, P times over: out is attention to the own block and lse is "
                      "too large by up to log P",
       .why = "Buffers are sent and received, but the loop goes on with the old ones.",
       .fix = "Attend to what has arrived.",
       .seen_in = "sgl-project/sglang#33353",
       .variants = with_either_mask,
       .forward = never_rotated},
      {.id = "R5",
       .family = Family::ring,
       .title = "the ring turns the wrong way for its mask",
       .wrong = "at step t the block of owner r + t, taken for that of r - t",
       .fingerprint = "right without a mask; with a causal one and contiguous shards the first and the last "
                      "device are right and all between them wrong",
       .why = "The order of the blocks does not matter, but whose they are does.",
       .fix = "Send to r + 1 and take the owner for (r - t) mod P, or turn both round.",
       .variants = told,
       .forward = rotated_the_wrong_way},
      {.id = "R6",
       .family = Family::ring,
       .title = "the values are not rotated",
       .wrong = "K of owner r - t with V of owner r",
       .fingerprint = "lse is right, out is not; the first block visited has its right part",
       .why = "Only one of the two tensors is replaced by what has arrived.",
       .fix = "Replace K and V together.",
       .variants = of_a_ring,
       .forward = V_not_rotated},
      {.id = "R7",
       .family = Family::ring,
       .title = "the keys are not rotated",
       .wrong = "K of owner r with V of owner r - t",
       .fingerprint = "out and lse are wrong; lse is that of P copies of the own keys",
       .why = "Only one of the two tensors is replaced by what has arrived.",
       .fix = "Replace K and V together.",
       .variants = with_either_mask,
       .forward = K_not_rotated},
      {.id = "R8",
       .family = Family::ring,
       .title = "one of K and V is a hop behind the other",
       .wrong = "K of owner r - t with V of owner r - t + 1",
       .fingerprint =
           "lse is right if V is behind; out is wrong on all devices that see more than their own block",
       .why = "One of the two transfers is waited for, the other is not.",
       .fix = "Wait for both before attending.",
       .variants = behind,
       .forward = one_hop_behind},
      {.id = "R12",
       .family = Family::ring,
       .title = "the owner in the mask is off by one",
       .wrong = "mask for the block of owner r - t + 1 or r - t - 1",
       .fingerprint =
           "right without a mask; otherwise future keys are seen or past ones lost on nearly every device",
       .why = "The step is counted before the mask is made, or the rank from 1.",
       .fix = "Owner = (r - t) mod P at the step t whose block is attended to.",
       .variants = owner_offsets,
       .forward = owner_off_by_one},
      {.id = "R19",
       .family = Family::ring,
       .title = "one hop too many",
       .wrong = "steps 0 .. P",
       .fingerprint = "weight 2 on the diagonal of devices and blocks, 1 everywhere else",
       .why = "After P hops the own block is home again and is counted once more.",
       .fix = "Attend at P steps.",
       .variants = of_a_ring,
       .forward = one_hop_too_many},
      {.id = "R20",
       .family = Family::ring,
       .title = "a device stops at the first block that is hidden from it",
       .wrong = "leave the loop instead of skipping the step",
       .fingerprint = "blocks that come after the first hidden one have weight 0; harmless with a causal "
                      "mask and contiguous shards of equal lengths, not with two-sided windows and documents",
       .why = "Blocks do not come in the order of their distance.",
       .fix = "Skip the arithmetic of the step, but go on with the ring.",
       .variants = of_a_masked_ring,
       .forward = stopped_at_the_first_hidden_block},
      {.id = "R21",
       .family = Family::ring,
       .title = "a ring with a window makes one hop too few",
       .wrong = "hops = floor(window / block) instead of the ceiling",
       .fingerprint = "the oldest keys of the window are lost for the first rows of every device",
       .why = "The first row of a device looks further back than its last one.",
       .fix = "Hops = ceil(window / block).",
       .variants = causal_window,
       .forward = too_few_hops_for_the_window},
      {.id = "R23",
       .family = Family::ring,
       .title = "the positions do not travel with the block",
       .wrong = "mask with the positions of the own keys at every step",
       .fingerprint = "right without a mask; with a causal one every block is masked by the same triangle",
       .why = "The position tensors are made once and not sent.",
       .fix = "Send the positions with K and V, or compute them from the owner.",
       .variants = of_a_masked_ring,
       .forward = positions_left_behind},
      {.id = "R24",
       .family = Family::ring,
       .title = "the ring falls into smaller rings",
       .wrong = "owner within the group of r, for a group of g devices",
       .fingerprint = "the blocks of other groups have weight 0, those of the own group P / g or 1",
       .why = "Ranks and neighbours are counted within a node.",
       .fix = "Make the neighbours of the whole group: (r + 1) mod P.",
       .variants = ring_sizes,
       .forward = small_rings},
  };
}

}  // namespace ringattn
