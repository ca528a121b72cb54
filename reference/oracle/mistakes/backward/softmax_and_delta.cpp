// Mistakes in the recomputation of P and dS: delta, lse, dlse and the scale of the scores.

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/backward/rules.h"

namespace ringattn {

namespace {

using Pairs = Matrix<double>;

// ---- delta ----

// dS = P * (dP - delta + dlse) with a wrong delta, which may depend on the key
Gradients<double> with_delta(const BackwardSimulation& sim,
                             const std::function<Pairs(const BackwardHead&)>& delta) {
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    Pairs shifted = head.dP - delta(head);
    shifted.colwise() += head.dlse;
    weights.for_dq = head.P.cwiseProduct(shifted).cwiseProduct(head.slope);
    weights.for_dk = weights.for_dq;
  });
}

Gradients<double> no_delta(const BackwardSimulation& sim, const Variant&) {
  return with_delta(
      sim, [](const BackwardHead& head) -> Pairs { return Pairs::Zero(head.P.rows(), head.P.cols()); });
}

Gradients<double> delta_added(const BackwardSimulation& sim, const Variant&) {
  return with_delta(
      sim, [](const BackwardHead& head) -> Pairs { return -head.delta.replicate(1, head.P.cols()); });
}

// delta of each tile of keys alone: rowsum(P * dP) over the tile; if _normalised_, divided by the tile's sum of P
Pairs tile_delta(const BackwardSimulation& sim, const BackwardHead& head, Index tile, bool normalised) {
  const std::vector<Index> tile_of = tile_numbers(sim.sharding().keys, tile);
  const Index keys = head.P.cols();
  Pairs delta(head.P.rows(), keys);
  for (Index i = 0; i < delta.rows(); ++i) {
    Vector<double> mass = Vector<double>::Zero(keys + 1), sum = mass;
    for (Index j = 0; j < keys; ++j) {
      mass(tile_of[static_cast<std::size_t>(j)]) += head.P(i, j);
      sum(tile_of[static_cast<std::size_t>(j)]) += head.P(i, j) * head.dP(i, j);
    }
    if (normalised) sum = (mass.array() > 0).select(sum.cwiseQuotient(mass), sum);
    for (Index j = 0; j < keys; ++j) delta(i, j) = sum(tile_of[static_cast<std::size_t>(j)]);
  }
  return delta;
}

Gradients<double> delta_of_block_products(const BackwardSimulation& sim, const Variant& variant) {
  return with_delta(sim,
                    [&](const BackwardHead& head) { return tile_delta(sim, head, variant["tile"], false); });
}

Gradients<double> delta_of_block_output(const BackwardSimulation& sim, const Variant& variant) {
  return with_delta(sim,
                    [&](const BackwardHead& head) { return tile_delta(sim, head, variant["tile"], true); });
}

// m, the largest visible score of each row; 0 if no key is visible
Vector<double> row_max(const BackwardHead& head) {
  Vector<double> m = Vector<double>::Zero(head.S.rows());
  for (Index i = 0; i < m.size(); ++i) {
    double largest = minus_infinity<double>;
    for (Index j = 0; j < head.S.cols(); ++j)
      if (head.visible(i, j)) largest = std::max(largest, head.S(i, j));
    if (std::isfinite(largest)) m(i) = largest;
  }
  return m;
}

Gradients<double> delta_of_accumulator(const BackwardSimulation& sim, const Variant&) {
  return with_delta(sim, [](const BackwardHead& head) -> Pairs {
    const Vector<double> l = (head.lse - row_max(head)).array().exp();
    return head.delta.cwiseProduct(l).replicate(1, head.P.cols());
  });
}

Gradients<double> delta_of_mean_value(const BackwardSimulation& sim, const Variant& variant) {
  const bool all_keys = variant["mean"] == 0;
  return with_delta(sim, [all_keys](const BackwardHead& head) -> Pairs {
    Pairs counted = Pairs::Ones(head.P.rows(), head.P.cols());
    if (!all_keys) counted = head.visible.cast<double>();
    const Vector<double> count = counted.rowwise().sum().cwiseMax(1.0);
    return head.dP.cwiseProduct(counted).rowwise().sum().cwiseQuotient(count).replicate(1, counted.cols());
  });
}

// dS = P * dP - delta: the parentheses are missing
Gradients<double> delta_outside_brackets(const BackwardSimulation& sim, const Variant& variant) {
  const bool hidden_too = variant["pairs"] == 0;
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    Pairs dS = head.P.cwiseProduct(head.dP);
    dS.colwise() += head.dlse - head.delta;
    if (!hidden_too) dS = dS.cwiseProduct(head.visible.cast<double>());
    weights.for_dq = weights.for_dk = dS.cwiseProduct(head.slope);
  });
}

Gradients<double> another_dlse(const BackwardSimulation& sim, const Variant& variant) {
  const double factor = variant["dlse"] == 0 ? 0 : variant["dlse"] == 1 ? -1 : std::log2(std::exp(1.0));
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    const Vector<double> difference = (factor - 1) * head.dlse;
    weights.for_dq.array() += (head.P.array() * head.slope.array()).colwise() * difference.array();
    weights.for_dk = weights.for_dq;
  });
}

// ---- P, recomputed ----

// The pair weights for a given P
PairWeights weights_of(const BackwardHead& head, const Pairs& P) {
  Pairs dS = head.dP;
  dS.colwise() += head.dlse - head.delta;
  dS = dS.cwiseProduct(P).cwiseProduct(head.slope);
  return {dS, dS, P};
}

// P = exp(S - lse) for the pairs with seen(i, j), 0 for the others
template <class Seen>
Pairs rebuilt(const BackwardHead& head, const Vector<double>& lse, const Seen& seen) {
  Pairs P = Pairs::Zero(head.S.rows(), head.S.cols());
  for (Index i = 0; i < P.rows(); ++i)
    for (Index j = 0; j < P.cols(); ++j)
      if (seen(i, j)) P(i, j) = std::exp(head.S(i, j) - lse(i));
  return P;
}

// (Sq) lse of each row over the keys of one block
Vector<double> block_lse(const BackwardHead& head, const std::vector<Index>& keys) {
  Vector<double> lse = Vector<double>::Constant(head.S.rows(), minus_infinity<double>);
  for (Index i = 0; i < lse.size(); ++i) {
    double m = minus_infinity<double>, l = 0;
    for (const Index j : keys)
      if (head.visible(i, j)) m = std::max(m, head.S(i, j));
    for (const Index j : keys)
      if (head.visible(i, j)) l += std::exp(head.S(i, j) - m);
    if (l > 0) lse(i) = m + std::log(l);
  }
  return lse;
}

enum LseOf : Index { own_block, last_block, last_computed_block, each_block, first_block };

// The owner of the block whose lse _device_ uses for the block of _owner_
int owner_of_lse(const BackwardSimulation& sim, const BackwardHead& head, Index which, int device,
                 int owner) {
  switch (which) {
    case own_block:
      return device;
    case last_block:
      return sim.sharding().owner_at(device, sim.devices() - 1);
    case last_computed_block:
      return sim.sharding().owner_at(device, std::max(0, last_computed_step(sim, head, device)));
    case first_block:
      return 0;
    default:
      return owner;
  }
}

Gradients<double> lse_of_one_block(const BackwardSimulation& sim, const Variant& variant) {
  const RowSharding &queries = sim.sharding().queries, &keys = sim.sharding().keys;
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    std::vector<Vector<double>> lse;
    for (int owner = 0; owner < sim.devices(); ++owner) lse.push_back(block_lse(head, keys.rows_of(owner)));
    for (int device = 0; device < sim.devices(); ++device)
      for (int owner = 0; owner < sim.devices(); ++owner) {
        const Vector<double>& used =
            lse[static_cast<std::size_t>(owner_of_lse(sim, head, variant["lse of"], device, owner))];
        for (const Index i : queries.rows_of(device))
          for (const Index j : keys.rows_of(owner))
            weights.for_dv(i, j) = head.visible(i, j) ? std::exp(head.S(i, j) - used(i)) : 0;
      }
    weights = weights_of(head, weights.for_dv);
  });
}

Gradients<double> lse_in_another_base(const BackwardSimulation& sim, const Variant& variant) {
  const double ln2 = std::log(2.0), factor = variant["lse"] == 0 ? 1 / ln2 : ln2;
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    weights = weights_of(
        head, rebuilt(head, factor * head.lse, [&](Index i, Index j) { return head.visible(i, j); }));
  });
}

Gradients<double> not_normalised(const BackwardSimulation& sim, const Variant& variant) {
  return sim.run([&](const BackwardHead& head, PairWeights& weights) {
    const Pairs P = rebuilt(head, row_max(head), [&](Index i, Index j) { return head.visible(i, j); });
    take_touched(variant, weights_of(head, P), weights);
  });
}

// The backward with scores of a wrong scale and the lse of the correct forward
Gradients<double> another_scale(const BackwardSimulation& sim, const Variant& variant) {
  const double scale = sim.scale();
  Problem<double> other = sim.problem();
  const double of_scores[] = {1, scale * scale, 1 / std::sqrt(static_cast<double>(other.Q.shape.D))};
  other.scoring.softmax_scale = of_scores[variant["scale"]];
  Gradients<double> gradients = sim.backward_of(other);
  if (variant["factor"] == 0)
    for (Tensor<double>* gradient : {&gradients.dq, &gradients.dk})
      for (Index n = 0; n < gradient->size(); ++n)
        gradient->data()[n] *= scale / *other.scoring.softmax_scale;
  return gradients;
}

Variants other_scales(const Simulation& sim) {
  const Scoring& scoring = sim.problem().scoring;
  if (scoring.scale(sim.problem().Q.shape.D) == 0) return {};
  Variants scales = each_named("scale", {"1", "scale^2", "1 / sqrt(d)"});
  if (!scoring.softmax_scale) scales.pop_back();
  return scales * each_named("factor", {"the right scale", "the same wrong scale"});
}

// ---- Variants ----

Variants each_block_or_tile(const Simulation& sim) {
  Variants tiles = each_tile(sim);
  if (sim.devices() > 1) tiles.insert(tiles.begin(), Variant({"tile", 0, "the block of a device"}));
  return tiles;
}

Variants each_lse(const Simulation& sim) {
  if (sim.devices() == 1) return {};
  return each_named("lse of", {"the own block", "the last block", "the last computed block",
                               "the current block", "block 0"});
}

Variants each_base(const Simulation&) {
  return each_named("lse", {"base 2 read as natural", "natural read as base 2"});
}

Variants each_dlse(const Simulation&) {
  return each_named("dlse", {"dropped", "subtracted", "multiplied by log2 e"});
}

Variants each_mean(const Simulation&) { return each_named("mean", {"of all keys", "of the visible keys"}); }

Variants each_extent(const Simulation&) { return each_named("pairs", {"all pairs", "visible pairs"}); }

Variants each_not_normalised(const Simulation&) {
  return each_touched({dq_dk_dv, dv_only, dq_only, dk_only});
}

}  // namespace

std::vector<Mistake> backward_mistakes() {
  return {
      {.id = "G1",
       .family = Family::backward,
       .title = "delta is missing from dS",
       .wrong = "dS = P * dP",
       .fingerprint = "dq and dk are wrong, dv is right; dk does not sum to 0 over the keys",
       .why = "The softmax denominator is treated as a constant.",
       .fix = "Use dS = P * (dP - delta) with delta = rowsum(dO * O).",
       .variants = always,
       .backward = no_delta},
      {.id = "G2",
       .family = Family::backward,
       .title = "delta is summed over one block of keys only",
       .wrong = "delta_b = rowsum(P_b * dP_b), a different delta for each block b",
       .fingerprint = "dq and dk are wrong, dv is right; rows that attend to one block only are right; dk "
                      "does not sum to 0 over the keys",
       .why = "rowsum(P * dP) equals rowsum(dO * O) over all keys together, not over each block.",
       .fix = "Compute delta = rowsum(dO * O) once per row, from the output over all keys.",
       .seen_in = "huggingface/picotron#37",
       .variants = each_block_or_tile,
       .backward = delta_of_block_products},
      {.id = "G3",
       .family = Family::backward,
       .title = "delta is computed from the output of one block",
       .wrong = "delta_b = rowsum(dO * O_b), with O_b the attention to block b alone",
       .fingerprint = "dq and dk are wrong, dv is right; rows that attend to one block only are right; all "
                      "four conservation laws hold",
       .why = "Each block subtracts its own mean of dP, so the gradient between blocks is lost.",
       .fix = "Use delta = rowsum(dO * O) with the merged output O.",
       .variants = each_block_or_tile,
       .backward = delta_of_block_output},
      {.id = "G4",
       .family = Family::backward,
       .title = "delta has the wrong sign",
       .wrong = "dS = P * (dP + delta)",
       .fingerprint = "dq and dk are wrong, with twice the error of a missing delta; dv is right",
       .why = "The derivative of the denominator is added instead of subtracted.",
       .fix = "Use dS = P * (dP - delta).",
       .variants = always,
       .backward = delta_added},
      {.id = "G5",
       .family = Family::backward,
       .title = "P is recomputed with the lse of one block",
       .wrong = "P = exp(S - lse_b)",
       .fingerprint = "dq, dk and dv are wrong and too large; rows that attend to one block only are right",
       .why = "The lse of a block is smaller than that of all keys, so the probabilities of a row sum to "
              "more than 1.",
       .fix = "Save the merged lse of all blocks, and use it for every block.",
       .seen_in = "NVIDIA/TransformerEngine@76187a5e0",
       .variants = each_lse,
       .backward = lse_of_one_block},
      {.id = "G6",
       .family = Family::backward,
       .title = "P is recomputed with an lse in the wrong base",
       .wrong = "P = exp(S - lse / ln 2), or exp(S - lse ln 2)",
       .fingerprint = "dq, dk and dv are wrong; P is off by a different factor in each query row",
       .why = "An lse in base 2 and a natural lse differ by the factor ln 2.",
       .fix = "Use exp with a natural lse, exp2 with an lse in base 2.",
       .seen_in = "meta-pytorch/attention-gym#200",
       .variants = each_base,
       .backward = lse_in_another_base},
      {.id = "G7",
       .family = Family::backward,
       .title = "P is recomputed from scores with the wrong scale",
       .wrong = "P = exp(q k - lse)",
       .fingerprint = "dq, dk and dv are wrong, by many orders of magnitude where the scores are large",
       .why = "The lse belongs to the scaled scores; with other scores P is not a probability.",
       .fix = "Use P = exp(scale q k - lse) with the scale of the forward.",
       .variants = other_scales,
       .backward = another_scale},
      {.id = "G27",
       .family = Family::backward,
       .title = "the gradient of lse is dropped or has a wrong factor",
       .wrong = "dS = P * (dP - delta)",
       .fingerprint = "dq and dk are wrong if dlse is given, dv is right; no error without dlse",
       .why = "If the loss depends on lse, its derivative with respect to the scores, P, must be included.",
       .fix = "Use dS = P * (dP - delta + dlse).",
       .seen_in = "Dao-AILab/flash-attention#889",
       .variants = each_dlse,
       .backward = another_dlse},
      {.id = "G29",
       .family = Family::backward,
       .title = "delta is computed from the accumulator before it is divided by l",
       .wrong = "delta = rowsum(dO * O l)",
       .fingerprint = "dq and dk are wrong, dv is right; rows with one visible key are right; dk does not "
                      "sum to 0 over the keys",
       .why = "delta is too large by l, the sum of exp(S - m).",
       .fix = "Use delta = rowsum(dO * O) with the normalised output.",
       .variants = always,
       .backward = delta_of_accumulator},
      {.id = "G30",
       .family = Family::backward,
       .title = "delta is computed from the mean of the values",
       .wrong = "delta = rowmean(dP)",
       .fingerprint = "dq and dk are wrong, dv is right; no error in rows whose scores are all equal",
       .why = "The mean that delta subtracts must be weighted by P.",
       .fix = "Use delta = rowsum(P * dP) = rowsum(dO * O).",
       .variants = each_mean,
       .backward = delta_of_mean_value},
      {.id = "G31",
       .family = Family::backward,
       .title = "P is recomputed without its denominator",
       .wrong = "P = exp(S - m)",
       .fingerprint = "each query row contributes l times too much; rows with one visible key are right",
       .why = "Subtracting m only prevents overflow; the division by l is missing.",
       .fix = "Use P = exp(S - lse) with lse = m + ln l.",
       .variants = each_not_normalised,
       .backward = not_normalised},
      {.id = "G32",
       .family = Family::backward,
       .title = "delta is subtracted outside the product with P",
       .wrong = "dS = P * dP - delta",
       .fingerprint = "dq and dk are wrong, more so the more keys a row attends to; dv is right",
       .why = "Each key subtracts all of delta instead of its share P delta.",
       .fix = "Use dS = P * (dP - delta).",
       .variants = each_extent,
       .backward = delta_outside_brackets},
  };
}

}  // namespace ringattn
