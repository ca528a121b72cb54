// Mistakes of dQ and of blocks in the backward: stale K and V, row data that does not rotate, gradients in shard
// order.

#include <algorithm>
#include <cmath>

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/catalogue/row_orders.h"
#include "reference/oracle/mistakes/backward/rules.h"

namespace ringattn {

namespace {

// ---- dQ ----

enum Kept : Index { last_computed, last_of_all, first_of_all, tile_of_each, tile_of_last };

// dq contains the contribution of one tile or block only
Gradients<double> dq_overwritten(const BackwardSimulation& sim, const Variant& variant) {
  const RowSharding &queries = sim.sharding().queries, &keys = sim.sharding().keys;
  const Index kept = variant["kept"], tile = variant["tile"];
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    for (int device = 0; device < sim.devices(); ++device) {
      const int last = kept == last_of_all ? sim.devices() - 1 : last_computed_step(sim, head, device);
      for (Index j = 0; j < head.S.cols(); ++j) {
        const int owner = keys.device_of(j), step = sim.sharding().owner_at(device, owner);
        const auto block = static_cast<Index>(keys.rows_of(owner).size());
        const bool in_last_tile = tile == 0 || keys.place_of(j) / tile == (block - 1) / tile;
        const bool in_kept_block = kept == tile_of_each || step == (kept == first_of_all ? 0 : last);
        if (in_last_tile && in_kept_block) continue;
        for (const Index i : queries.rows_of(device)) weights.for_dq(i, j) = 0;
      }
    }
  });
}

Variants each_kept(const Simulation& sim) {
  const Variants whole{Variant({"tile", 0, "the whole block"})};
  Variants variants;
  if (sim.devices() > 1)
    variants = each_named("kept",
                          {"the last block computed", "the last block, computed or not", "the first block"}) *
               whole;
  const Variants tiled = Variants{Variant({"kept", tile_of_each, "the last tile of each block"}),
                                  Variant({"kept", tile_of_last, "the last tile of the last block"})} *
                         each_tile(sim);
  variants.insert(variants.end(), tiled.begin(), tiled.end());
  return variants;
}

Gradients<double> dq_without_own_block(const BackwardSimulation& sim, const Variant&) {
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    for (Index i = 0; i < head.S.rows(); ++i)
      for (Index j = 0; j < head.S.cols(); ++j)
        if (step_of(sim.sharding(), i, j) == 0) weights.for_dq(i, j) = 0;
  });
}

Gradients<double> dq_on_wrong_device(const BackwardSimulation& sim, const Variant& variant) {
  Gradients<double> gradients = sim.gradients();
  gradients.dq = rows_of_other_devices(gradients.dq, sim.sharding().queries, [&](int device) {
    return sim.sharding().owner_at(device, -static_cast<int>(variant["hops"]));
  });
  return gradients;
}

// ---- Wrong blocks ----

enum Stale : Index { stale_k_v, stale_k, stale_v };

// The owner of the block that is used instead of the block of _step_
int stale_owner(const Sharding& sharding, Index whose, int device, int step) {
  return whose == 0 ? device : sharding.owner_at(device, std::max(0, step - 1));
}

// dS from the scores and dP of the stale block, masked as the pair (i, j)
Gradients<double> stale_keys_and_values(const BackwardSimulation& sim, const Variant& variant) {
  const Sharding& sharding = sim.sharding();
  const bool stale_K = variant["stale"] != stale_v, stale_V = variant["stale"] != stale_k;
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    for (Matrix<double>* each : {&weights.for_dq, &weights.for_dk, &weights.for_dv}) each->setZero();
    for (Index i = 0; i < head.S.rows(); ++i)
      for (Index j = 0; j < head.S.cols(); ++j) {
        const int device = sharding.queries.device_of(i);
        const Index old = counterpart(
            sharding.keys, j, stale_owner(sharding, variant["whose"], device, step_of(sharding, i, j)));
        if (!head.visible(i, j) || old < 0) continue;
        const Index k = stale_K ? old : j, v = stale_V ? old : j;
        const double P = std::exp(head.S(i, k) - head.lse(i));
        const double dS = P * (head.dP(i, v) - head.delta(i) + head.dlse(i)) * head.slope(i, k);
        weights.for_dq(i, k) += dS;
        weights.for_dk(i, j) = dS;
        weights.for_dv(i, j) = P;
      }
  });
}

// For a skipped block the buffer still holds the contribution of the last computed block, which is added again
Gradients<double> skipped_blocks_repeat(const BackwardSimulation& sim, const Variant& variant) {
  const RowSharding &queries = sim.sharding().queries, &keys = sim.sharding().keys;
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    PairWeights changed = weights;
    for (int device = 0; device < sim.devices(); ++device)
      for (int step = 0, computed = -1; step < sim.devices(); ++step) {
        const int owner = sim.sharding().owner_at(device, step);
        if (!skipped(sim, head, device, owner)) {
          computed = owner;
          continue;
        }
        if (computed < 0) continue;
        for (const Index i : queries.rows_of(device)) {
          for (const Index j : keys.rows_of(computed)) changed.for_dq(i, j) += weights.for_dq(i, j);
          for (const Index j : keys.rows_of(owner))
            if (const Index old = counterpart(keys, j, computed); old >= 0) {
              changed.for_dk(i, j) = weights.for_dk(i, old);
              changed.for_dv(i, j) = weights.for_dv(i, old);
            }
        }
      }
    take_touched(variant, changed, weights);
  });
}

enum NotRotated : Index { lse_stays, delta_stays, dO_stays, Q_stays };

// Queries rotate, but one of their row tensors does not: each device uses that of its own rows
Gradients<double> row_data_not_rotated(const BackwardSimulation& sim, const Variant& variant) {
  const Sharding& sharding = sim.sharding();
  const Index what = variant["left behind"];
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    for (Matrix<double>* each : {&weights.for_dq, &weights.for_dk, &weights.for_dv}) each->setZero();
    for (Index i = 0; i < head.S.rows(); ++i)
      for (Index j = 0; j < head.S.cols(); ++j) {
        const Index other = counterpart(sharding.queries, i, sharding.keys.device_of(j));
        if (!head.visible(i, j) || other < 0) continue;
        const Index q = what == Q_stays ? other : i, o = what == dO_stays ? other : i,
                    d = what == delta_stays ? other : i, l = what == lse_stays ? other : i;
        const double P = std::exp(head.S(q, j) - head.lse(l));
        const double dS = P * (head.dP(o, j) - head.delta(d) + head.dlse(d)) * head.slope(q, j);
        weights.for_dq(i, j) = dS;
        weights.for_dk(q, j) += dS;
        weights.for_dv(o, j) += P;
      }
  });
}

// ---- Order of the results ----

// The rows in shard order, or the inverse permutation
Tensor<double> shard_ordered(const Tensor<double>& source, const RowSharding& sharding, bool inverse) {
  const Rows order = shard_order(sharding);
  if (!inverse) return select_rows(source.view(), order);
  Tensor<double> target(source.shape());
  scatter_rows(source, order, target);
  return target;
}

Gradients<double> in_shard_order(const BackwardSimulation& sim, const Variant& variant) {
  const bool inverse = variant["order"] == 1;
  const Gradients<double>& right = sim.gradients();
  const RowSharding &queries = sim.sharding().queries, &keys = sim.sharding().keys;
  return with_touched(variant,
                      {shard_ordered(right.dq, queries, inverse), shard_ordered(right.dk, keys, inverse),
                       shard_ordered(right.dv, keys, inverse)},
                      right);
}

// ---- Variants ----

Variants each_stale(const Simulation& sim) {
  return only_if(sim.devices() > 1,
                 each_named("stale", {"K and V", "K", "V"}) *
                     each_named("whose", {"the own block", "the block of the previous step"}));
}

}  // namespace

std::vector<Mistake> block_backward_mistakes() {
  return {
      {.id = "G16",
       .family = Family::backward,
       .title = "dQ is overwritten instead of accumulated",
       .wrong = "dQ = dS_b K_b instead of dQ += dS_b K_b",
       .fingerprint = "dq is wrong, except in rows that attend to one block only; dk and dv are right",
       .why = "All blocks contribute to dQ, but only one contribution remains.",
       .fix = "Accumulate: dQ += dS_b K_b.",
       .variants = each_kept,
       .backward = dq_overwritten},
      {.id = "G17",
       .family = Family::backward,
       .title = "the backward uses the wrong block's K or V",
       .wrong = "S = scale Q K_r^T, dP = dO V_r^T with the block of device r itself at every step",
       .fingerprint = "dq, dk and dv are wrong; contributions of the own block are right, and so are dk and "
                      "dv on the last device of a contiguous causal ring",
       .why = "The saved local K and V are used instead of the received block.",
       .fix = "Rotate K and V in the backward as in the forward.",
       .seen_in = "huggingface/diffusers#14265",
       .variants = each_stale,
       .backward = stale_keys_and_values},
      {.id = "G44",
       .family = Family::backward,
       .title = "a skipped block repeats the gradients of the previous block",
       .wrong = "for a fully masked block, dK_b and dV_b are those of the previous step",
       .fingerprint = "keys get gradients from queries that do not attend to them",
       .why = "If the computation is skipped, the buffer of the last computed block is added again.",
       .fix = "Add nothing for a skipped block.",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.devices() > 1, each_touched({dk_dv, dq_only, dq_dk_dv}));
           },
       .backward = skipped_blocks_repeat},
      {.id = "G45",
       .family = Family::backward,
       .title = "dQ lacks the contribution of the own block",
       .wrong = "dQ_r = sum of dS_b K_b over the blocks b != r",
       .fingerprint =
           "dq is wrong, and 0 on the first device of a contiguous causal ring; dk and dv are right",
       .why = "The contribution of step 0 is computed before the sum is initialised, and lost.",
       .fix = "Initialise dQ with the contribution of the own block.",
       .variants = [](const Simulation& sim) { return only_if(sim.devices() > 1, single_variant()); },
       .backward = dq_without_own_block},
      {.id = "G46",
       .family = Family::backward,
       .title = "queries rotate in the backward, but their row data does not",
       .wrong = "dS from the lse, delta, dO or Q of the device's own rows",
       .fingerprint = "the contributions of each device to its own rows are right, all others are wrong",
       .why = "lse, delta and dO belong to the query row and must rotate with it.",
       .fix = "Send Q, dO, lse and delta together.",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.devices() > 1, each_named("left behind", {"lse", "delta", "dO", "Q"}));
           },
       .backward = row_data_not_rotated},
      {.id = "G47",
       .family = Family::backward,
       .title = "dQ stops one device away from its owner",
       .wrong = "device r returns the dQ of device r + 1",
       .fingerprint = "dk and dv are right; dq has the right rows on the wrong devices",
       .why = "If queries rotate, they make P - 1 hops; dQ needs one more to return to its owner.",
       .fix = "Send dQ P times.",
       .variants = each_wrong_hop,
       .backward = dq_on_wrong_device},
      {.id = "G48",
       .family = Family::backward,
       .title = "the gradients stay in shard order",
       .wrong = "the rows of the result are those of device 0, then device 1, and so on",
       .fingerprint = "the right rows in the wrong places; no error with the contiguous layout",
       .why = "Zigzag and striped layouts permute the rows, and the gradients must be permuted back as well.",
       .fix = "Restore dq, dk and dv to sequence order, once.",
       .variants =
           [](const Simulation& sim) {
             return only_if(sim.devices() > 1 && sim.sharding().layout != Layout::contiguous,
                            each_named("order", {"shard order", "restored twice"}) *
                                each_touched({dq_dk_dv, dk_dv, dq_only}));
           },
       .backward = in_shard_order},
  };
}

}  // namespace ringattn
