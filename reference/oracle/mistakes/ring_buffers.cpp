// Mistakes in the buffers of the ring: stale, torn, overwritten, lost or double-counted blocks.

#include <algorithm>

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/ring_trace.h"

namespace ringattn {

namespace {

// The correct trace with one visit changed: that of the variant's device and step
AttentionOutput<double> attend_with_one(const Simulation& sim, const Variant& variant,
                                        const std::function<void(Visit&)>& change) {
  RingTrace trace = correct_ring_trace(sim.sharding());
  change(trace[static_cast<std::size_t>(variant["device"])][static_cast<std::size_t>(variant["step"])]);
  return attend_along_trace(trace, sim);
}

// The owner of the block that the variant's device holds _later_ steps after the variant's step
int owner(const Simulation& sim, const Variant& variant, int later) {
  return sim.sharding().owner_at(static_cast<int>(variant["device"]),
                                 static_cast<int>(variant["step"]) + later);
}

// ---- The variants -----------------------------------------------------------

// None on a single device
Variants each_device(const Simulation& sim) {
  return sim.devices() > 1 ? each_of("device", 0, sim.devices()) : Variants();
}
Variants each_owner(const Simulation& sim) {
  return sim.devices() > 1 ? each_of("owner", 0, sim.devices()) : Variants();
}

// Every device and every step at which a block arrives
Variants each_arrival(const Simulation& sim) { return each_device(sim) * each_of("step", 1, sim.devices()); }

// ---- One buffer at one step -------------------------------------------------

AttentionOutput<double> stale_buffer(const Simulation& sim, const Variant& variant) {
  const Index stale = variant["stale"];
  const int before = owner(sim, variant, -1);
  return attend_with_one(sim, variant, [&](Visit& visit) {
    if (stale != 2) visit.K = before;
    if (stale != 1) visit.V = before;
  });
}

Variants stale_buffers(const Simulation& sim) {
  return each_arrival(sim) * each_named("stale", {"K and V", "K", "V"});
}

AttentionOutput<double> torn_buffer(const Simulation& sim, const Variant& variant) {
  RingTrace trace = correct_ring_trace(sim.sharding());
  const int due = owner(sim, variant, 0), before = owner(sim, variant, -1);
  const Index half = static_cast<Index>(sim.sharding().keys.rows_of(due).size()) / 2;
  const bool first_half_new = variant["new"] == 0;
  const int first = first_half_new ? due : before, last = first_half_new ? before : due;
  std::vector<Visit>& visits = trace[static_cast<std::size_t>(variant["device"])];
  visits[static_cast<std::size_t>(variant["step"])] = {first, first, due, 1, 0, half};
  visits.push_back({last, last, due, 1, half});
  return attend_along_trace(trace, sim);
}

Variants torn_buffers(const Simulation& sim) {
  return each_arrival(sim) * each_named("new", {"the first half", "the last half"});
}

AttentionOutput<double> overwritten_early(const Simulation& sim, const Variant& variant) {
  const int next = owner(sim, variant, 1);
  return attend_with_one(sim, variant, [&](Visit& visit) { visit.K = visit.V = next; });
}

Variants early_arrivals(const Simulation& sim) {
  return each_device(sim) * each_of("step", 0, sim.devices() - 1);
}

// ---- One device, one owner --------------------------------------------------

// At one hop (0: at all hops) the device sends its own block instead of the block it holds. The block that a
// device _behind_ places after the sender holds at a step was sent _behind_ steps before.
AttentionOutput<double> own_block_forwarded(const Simulation& sim, const Variant& variant) {
  const int P = sim.devices(), sender = static_cast<int>(variant["device"]);
  const Index hop = variant["hop"];
  return attend_along_trace(with_overrides(sim.sharding(),
                                           [&](int device, int step, Visit& visit) {
                                             const int behind = (device - sender + P - 1) % P + 1;
                                             const int left = step - behind;  // the step at which it was sent
                                             if (left < 0 || (hop != 0 && left != hop)) return;
                                             visit.K = visit.V = sender;
                                             if (given(variant, "mask", 0) == 1) visit.positions = sender;
                                           }),
                            sim);
}

Variants own_blocks_forwarded(const Simulation& sim) {
  Variants always = Variants{Variant({"hop", 0, "all"})};
  if (has_mask(sim)) always = always * each_named("mask", {"of the scheduled block", "of the block held"});
  return each_device(sim) * concatenate({always, each_of("hop", 1, sim.devices() - 1)});
}

AttentionOutput<double> block_times(int times, const Simulation& sim, const Variant& variant) {
  const bool on_owner_too = variant["where"] == 0;
  return attend_along_trace(
      with_overrides(sim.sharding(),
                     [&](int device, int, Visit& visit) {
                       if (visit.K == variant["owner"] && (on_owner_too || visit.K != device))
                         visit.times = times;
                     }),
      sim);
}

AttentionOutput<double> block_lost(const Simulation& sim, const Variant& variant) {
  return block_times(0, sim, variant);
}

AttentionOutput<double> block_doubled(const Simulation& sim, const Variant& variant) {
  return block_times(2, sim, variant);
}

Variants owners(const Simulation& sim) {
  return each_owner(sim) * each_named("where", {"on every device", "on every device except its owner"});
}

// Zeros instead of one owner's block on all other devices, or of the block of one device at one step
AttentionOutput<double> zeros(const Simulation& sim, const Variant& variant) {
  const Index lost = variant["zeros"], of = given(variant, "owner", no_owner);
  return attend_along_trace(with_overrides(sim.sharding(),
                                           [&](int device, int step, Visit& visit) {
                                             if (of == no_owner
                                                     ? device != variant["device"] || step != variant["step"]
                                                     : visit.K != of || device == of)
                                               return;
                                             if (lost != 2) visit.K = no_owner;
                                             if (lost != 1) visit.V = no_owner;
                                           }),
                            sim);
}

Variants zero_blocks(const Simulation& sim) {
  return concatenate({each_owner(sim) * each_named("zeros", {"K and V", "K", "V"}),
                      each_arrival(sim) * each_named("zeros", {"K and V"})});
}

// ---- Blocks of different lengths --------------------------------------------

Index rows_of_block(const Simulation& sim, int device) {
  return static_cast<Index>(sim.sharding().keys.rows_of(device).size());
}

Index smallest_block(const Simulation& sim) {
  Index smallest = largest_block(sim);
  for (int device = 0; device < sim.devices(); ++device)
    smallest = std::min(smallest, rows_of_block(sim, device));
  return smallest;
}

Index length_for_all(const Simulation& sim, int device, Index assumed) {
  switch (assumed) {
    case 0:
      return smallest_block(sim);
    case 1:
      return largest_block(sim);
    case 2:
      return rows_of_block(sim, 0);
    default:
      return rows_of_block(sim, device);
  }
}

// Rows beyond the length are not read; a shorter block ends in rows left in the buffer by an earlier block
AttentionOutput<double> one_length_for_all(const Simulation& sim, const Variant& variant) {
  RingTrace trace = correct_ring_trace(sim.sharding());
  for (int device = 0; device < sim.devices(); ++device) {
    const Index length = length_for_all(sim, device, variant["length"]);
    std::vector<Visit>& visits = trace[static_cast<std::size_t>(device)];
    for (int step = 0; step < sim.devices(); ++step) {
      visits[static_cast<std::size_t>(step)].end = length;
      Index filled = rows_of_block(sim, sim.sharding().owner_at(device, step));
      for (int earlier = step - 1; earlier >= 0 && filled < length; --earlier) {
        Visit left = visit_to(sim.sharding().owner_at(device, earlier));
        left.begin = filled, left.end = length;
        visits.push_back(left);
        filled = std::max(filled, rows_of_block(sim, left.K));
      }
    }
  }
  return attend_along_trace(trace, sim);
}

Variants lengths(const Simulation& sim) {
  if (smallest_block(sim) == largest_block(sim)) return {};
  return each_named("length", {"of the shortest block", "of the longest block", "of the block of device 0",
                               "of the device's own block"});
}

// ---- Several rings ----------------------------------------------------------

// The keys of each batch entry, followed by those of the corresponding batch entry of the first ring
struct TwoFold {
  Tensor<double> K, V;
  Problem<double> problem;

  TwoFold(const Problem<double>& single, Index rings) : problem(single) {
    K = twofold(single.K, rings), V = twofold(single.V, rings);
    problem.K = K, problem.V = V;
    const Index Skv = single.K.shape.S, sequences = single.kv_positions.sequences();
    problem.kv_positions = RowPositions(sequences, 2 * Skv);
    for (Index b = 0; b < sequences; ++b)
      for (Index j = 0; j < 2 * Skv; ++j)
        problem.kv_positions.of(b)[static_cast<std::size_t>(j)] =
            single.kv_positions.of(b)[static_cast<std::size_t>(j % Skv)];
  }

  static Tensor<double> twofold(const TensorView<const double>& X, Index rings) {
    Tensor<double> doubled({X.shape.B, 2 * X.shape.S, X.shape.H, X.shape.D});
    for (Index b = 0; b < X.shape.B; ++b)
      for (Index h = 0; h < X.shape.H; ++h)
        doubled.head(b, h) << X.head(b, h), X.head(b % (X.shape.B / rings), h);
    return doubled;
  }
};

AttentionOutput<double> blocks_of_the_first_ring(const Simulation& sim, const Variant& variant) {
  const TwoFold both(sim.problem(), variant["rings"]);
  const Index Skv = sim.problem().K.shape.S;
  const Simulation twofold(both.problem, sim.sharding().layout, sim.devices(), sim.rows());
  return twofold.run([&](const QueryRow& row, RowWeights& result) {
    const int device = sim.sharding().queries.device_of(row.i);
    Keys keys;
    for (Index j = 0; j < Skv; ++j) keys.push_back(sim.sharding().keys.device_of(j) == device ? j : Skv + j);
    result = attend(row, keys, 2 * Skv);
  });
}

Variants rings(const Simulation& sim) {
  const Index B = sim.problem().Q.shape.B;
  Variants variants;
  for (Index count = 2; count <= B && sim.devices() > 1; ++count)
    if (B % count == 0) variants = concatenate({variants, each_of("rings", {count})});
  return variants;
}

}  // namespace

std::vector<Mistake> ring_buffer_mistakes() {
  return {
      {.id = "R9",
       .family = Family::ring,
       .title = "a stale receive buffer is read",
       .wrong = "at one step of one device, K, V or both are those of the previous step",
       .fingerprint = "only one device is wrong: two blocks have weights 2 and 0 instead of 1; no error if "
                      "the block is masked",
       .why = "The device attends without waiting for the transfer.",
       .fix = "Wait for the receive before attending.",
       .seen_in = "NVIDIA/TransformerEngine@76187a5e0",
       .variants = stale_buffers,
       .forward = stale_buffer},
      {.id = "R10",
       .family = Family::ring,
       .title = "a buffer is read while it is being received",
       .wrong = "at one step of one device, half of the rows are those of the previous step",
       .fingerprint =
           "only one device is wrong: one block has a weight between 1 and 2, another between 0 and 1",
       .why = "The device attends before the transfer is complete.",
       .fix = "Wait for the receive before attending.",
       .variants = torn_buffers,
       .forward = torn_buffer},
      {.id = "R11",
       .family = Family::ring,
       .title = "a buffer is overwritten before it is read",
       .wrong = "at one step of one device, K and V are those of the next step",
       .fingerprint = "only one device is wrong: the next block has weight 2, the scheduled block 0",
       .why = "The next block is received into a buffer that is still in use.",
       .fix = "Use two buffers, and receive into the one that is not being read.",
       .seen_in = "zhuzilin/ring-flash-attention@8c83989",
       .variants = early_arrivals,
       .forward = overwritten_early},
      {.id = "R13",
       .family = Family::ring,
       .title = "a device forwards its own block instead of the block it holds",
       .wrong = "device d sends K, V of owner d at every hop, or at one hop",
       .fingerprint = "device d is right and the devices after it are increasingly wrong: block d has weight "
                      "2, 3, ... and the blocks upstream of d weight 0",
       .why = "The send reads the original local tensors instead of the current buffer.",
       .fix = "Send the block that was just attended to.",
       .variants = own_blocks_forwarded,
       .forward = own_block_forwarded},
      {.id = "R14",
       .family = Family::ring,
       .title = "the block of one owner is lost",
       .wrong = "the sum over blocks omits one owner",
       .fingerprint = "one column of the device-by-block weights is 0; lse is too small",
       .why = "Its message is dropped, or a test skips it.",
       .fix = "Attend to every block that is not fully masked, on every device.",
       .variants = owners,
       .forward = block_lost},
      {.id = "R15",
       .family = Family::ring,
       .title = "the block of one owner is double-counted",
       .wrong = "the sum over blocks includes one owner twice",
       .fingerprint = "one column of the device-by-block weights is 2; lse is too large",
       .why = "Two messages or two steps deliver the same block.",
       .fix = "Attend to every block exactly once on every device.",
       .variants = owners,
       .forward = block_doubled},
      {.id = "R16",
       .family = Family::ring,
       .title = "a group rank is used as a global rank",
       .wrong = "every ring receives the blocks of the first ring",
       .fingerprint = "batch entries of the first ring are right; those of the other rings attend to the "
                      "wrong keys in every block except their own",
       .why = "Send and receive take global ranks, but the loop computes ranks within its group.",
       .fix = "Convert the group rank to the global rank.",
       .seen_in = "zhuzilin/ring-flash-attention@7895974",
       .variants = rings,
       .forward = blocks_of_the_first_ring},
      {.id = "R18",
       .family = Family::ring,
       .title = "a block arrives as zeros",
       .wrong = "K = 0, V = 0, or both",
       .fingerprint = "keys with score 0 and value 0 contribute: out is too small and lse wrong, most of all "
                      "where the right scores are low",
       .why = "The buffer was allocated with zeros and never filled.",
       .fix = "Fill the buffer before it is sent or read.",
       .variants = zero_blocks,
       .forward = zeros},
      {.id = "R22",
       .family = Family::ring,
       .title = "all blocks are assumed to have the same length",
       .wrong = "every block is read with the length of one block",
       .fingerprint = "right if all shards have equal length; otherwise the last keys of longer blocks are "
                      "lost, or shorter blocks end in rows left by an earlier block",
       .why = "The sequence length is not a multiple of the number of devices.",
       .fix = "Send the length with the block, or pad and mask the padding.",
       .variants = lengths,
       .forward = one_length_for_all},
  };
}

}  // namespace ringattn
