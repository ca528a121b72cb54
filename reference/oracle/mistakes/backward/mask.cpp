// Mistakes in which the backward uses another mask or soft-cap than the forward.

#include <cmath>

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/backward/rules.h"
#include "reference/oracle/mistakes/mask/mask_rules.h"

namespace ringattn {

namespace {

// ---- Masks ----

using Seen = std::function<bool(const BackwardHead&, Index i, Index j)>;

// P = exp(S - lse) for the pairs with seen(head, i, j), with the correct lse
Gradients<double> where_seen(const BackwardSimulation& sim, const Variant& variant, const Seen& seen) {
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    PairWeights changed = weights;
    for (Index i = 0; i < head.S.rows(); ++i)
      for (Index j = 0; j < head.S.cols(); ++j) {
        if (seen(head, i, j) == head.visible(i, j)) continue;
        const double P = head.visible(i, j) ? 0 : std::exp(head.S(i, j) - head.lse(i));
        changed.for_dv(i, j) = P;
        changed.for_dq(i, j) =
            P == 0 ? 0 : P * (head.dP(i, j) - head.delta(i) + head.dlse(i)) * head.slope(i, j);
        changed.for_dk(i, j) = changed.for_dq(i, j);
      }
    take_touched(variant, changed, weights);
  });
}

const RowPosition& query(const BackwardSimulation& sim, Index b, Index i) {
  return sim.problem().q_positions.of(b)[static_cast<std::size_t>(i)];
}

const RowPosition& key(const BackwardSimulation& sim, Index b, Index j) {
  return sim.problem().kv_positions.of(b)[static_cast<std::size_t>(j)];
}

Gradients<double> with_mask(const BackwardSimulation& sim, const Variant& variant, const Mask& mask) {
  return where_seen(sim, variant, [&](const BackwardHead& head, Index i, Index j) {
    return visible(query(sim, head.b, i), key(sim, head.b, j), mask);
  });
}

Gradients<double> no_mask(const BackwardSimulation& sim, const Variant& variant) {
  return where_seen(sim, variant, [](const BackwardHead&, Index, Index) { return true; });
}

Gradients<double> no_window(const BackwardSimulation& sim, const Variant& variant) {
  return with_mask(sim, variant, {.causal = sim.problem().scoring.mask.causal});
}

Gradients<double> no_documents(const BackwardSimulation& sim, const Variant& variant) {
  return where_seen(sim, variant, [&](const BackwardHead& head, Index i, Index j) {
    RowPosition of_query = query(sim, head.b, i);
    of_query.segment = key(sim, head.b, j).segment;
    return visible(of_query, key(sim, head.b, j), sim.problem().scoring.mask);
  });
}

// The mask with the causal offset one too small or one too large
Gradients<double> shifted_diagonal(const BackwardSimulation& sim, const Variant& variant) {
  return where_seen(sim, variant, [&](const BackwardHead& head, Index i, Index j) {
    RowPosition of_query = query(sim, head.b, i);
    of_query.position += variant["shift"];
    return visible(of_query, key(sim, head.b, j), sim.problem().scoring.mask);
  });
}

enum LocalMask : Index { every_block, every_block_not_ahead, own_block_only };

// A triangle of local indices within blocks, whereas the forward compares positions
Gradients<double> local_triangle(const BackwardSimulation& sim, const Variant& variant) {
  const RowSharding &queries = sim.sharding().queries, &keys = sim.sharding().keys;
  return where_seen(sim, variant, [&](const BackwardHead& head, Index i, Index j) {
    const int device = queries.device_of(i), owner = keys.device_of(j);
    if (query(sim, head.b, i).segment != key(sim, head.b, j).segment) return false;
    if (owner > device && variant["triangle"] == every_block_not_ahead) return false;
    return (owner != device && variant["triangle"] == own_block_only) ||
           keys.place_of(j) <= queries.place_of(i);
  });
}

// ---- Soft-cap ----

enum Slope : Index { dropped, squared_score, slope_applied_twice };

Gradients<double> another_slope(const BackwardSimulation& sim, const Variant& variant) {
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    Matrix<double> slope = Matrix<double>::Ones(head.S.rows(), head.S.cols());
    if (variant["derivative"] == squared_score) slope.array() -= head.S.array().square();
    if (variant["derivative"] == slope_applied_twice) slope = head.slope.cwiseProduct(head.slope);
    Matrix<double> dS = head.dP;
    dS.colwise() += head.dlse - head.delta;
    weights.for_dq = weights.for_dk = dS.cwiseProduct(head.P).cwiseProduct(slope);
  });
}

// ---- Variants ----

Variants where(bool possible,
               std::initializer_list<Touched> touched = {dq_dk_dv, dq_only, dk_dv, dk_only, dv_only}) {
  return possible ? each_touched(touched) : Variants{};
}

}  // namespace

std::vector<Mistake> mask_backward_mistakes() {
  return {
      {.id = "G8",
       .family = Family::backward,
       .title = "the backward does not apply the mask",
       .wrong = "P = exp(S - lse) for masked pairs as well",
       .fingerprint = "dq, dk and dv are wrong; keys that no query attends to have gradients",
       .why = "lse covers the visible keys only, so masked keys get probabilities as well, possibly above 1.",
       .fix = "Set P = 0 for masked pairs, in the backward as in the forward.",
       .variants =
           [](const Simulation& sim) { return where(sim.causal() || has_window(sim) || has_documents(sim)); },
       .backward = no_mask},
      {.id = "G33",
       .family = Family::backward,
       .title = "the backward does not apply the window",
       .wrong = "P = exp(S - lse) for pairs outside the window as well",
       .fingerprint = "rows near the start are right; rows whose keys the window limits are wrong",
       .why = "Keys outside the window get probabilities again.",
       .fix = "Pass the window to the backward.",
       .variants =
           [](const Simulation& sim) {
             return where(has_window(sim), {dq_dk_dv, dq_only, dk_dv});
           },
       .backward = no_window},
      {.id = "G34",
       .family = Family::backward,
       .title = "the backward ignores document boundaries",
       .wrong = "P = exp(S - lse) across documents",
       .fingerprint = "gradients leak from one document into another",
       .why = "Keys of other documents get probabilities again.",
       .fix = "Pass the segment ids or cu_seqlens to the backward.",
       .variants =
           [](const Simulation& sim) {
             return where(has_documents(sim), {dq_dk_dv, dq_only, dk_dv});
           },
       .backward = no_documents},
      {.id = "G35",
       .family = Family::backward,
       .title = "the mask of the backward is off by one",
       .wrong = "j < i, or j <= i + 1",
       .fingerprint = "every row is wrong by one key, on the diagonal",
       .why = "Forward and backward disagree about the keys at the edge of the mask.",
       .fix = "Use the same mask in both: j <= i.",
       .variants =
           [](const Simulation& sim) {
             const Variants shifts{Variant({"shift", -1, "one key fewer"}),
                                   Variant({"shift", 1, "one key more"})};
             return shifts * where(sim.causal() || has_window(sim), {dq_dk_dv, dq_only, dk_dv});
           },
       .backward = shifted_diagonal},
      {.id = "G36",
       .family = Family::backward,
       .title = "the causal mask of the backward uses local indices",
       .wrong = "local index_k <= local index_q",
       .fingerprint = "the own block is right, all others are wrong",
       .why = "Only the own block has a triangular mask; other blocks are attended to in full or not at all.",
       .fix = "Compare positions.",
       .variants =
           [](const Simulation& sim) {
             const bool possible = sim.causal() && sim.devices() > 1;
             return each_named("triangle", {"in every block", "in every block, later blocks skipped",
                                            "in the own block, all others in full"}) *
                    where(possible, {dq_dk_dv, dq_only, dk_dv});
           },
       .backward = local_triangle},
      {.id = "G37",
       .family = Family::backward,
       .title = "the derivative of the soft-cap is wrong",
       .wrong = "dS = P * (dP - delta)",
       .fingerprint = "dq and dk are wrong where scores approach the cap, dv is right",
       .why = "The chain rule through c tanh(s / c) gives the factor 1 - tanh^2.",
       .fix = "Use dS = P * (dP - delta) * (1 - (S / c)^2), with S after the soft-cap.",
       .variants =
           [](const Simulation& sim) {
             if (sim.problem().scoring.softcap == 0) return Variants{};
             return each_named("derivative", {"1", "1 - S^2", "applied twice"});
           },
       .backward = another_slope},
  };
}

}  // namespace ringattn
