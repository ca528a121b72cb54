// Mistakes in the scale of the scores.

#include <cmath>
#include <numbers>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/right_scale.h"

namespace ringattn {

namespace {

// ---- One wrong scale for all scores -----------------------------------------

using Scale = double (*)(const Problem<double>&, const Variant&);

// The problem with another softmax_scale
ProblemAlteration with_scale(Scale scale) {
  return [scale](const Problem<double>& problem, const Sharding&, const Variant& variant) {
    AlteredProblem wrong(problem);
    wrong.scoring.softmax_scale = scale(problem, variant);
    return wrong;
  };
}

double omitted(const Problem<double>&, const Variant&) { return 1; }

double scale_applied_twice(const Problem<double>& problem, const Variant&) {
  return right_scale(problem) * right_scale(problem);
}

double inverted(const Problem<double>& problem, const Variant&) { return 1 / right_scale(problem); }

double of_model_dim(const Problem<double>& problem, const Variant&) {
  return 1 / std::sqrt(static_cast<double>(problem.Q.shape.H * problem.Q.shape.D));
}

double of_number_of_heads(const Problem<double>& problem, const Variant& variant) {
  const Index heads = variant["heads"] == 0 ? problem.Q.shape.H : problem.K.shape.H;
  return 1 / std::sqrt(static_cast<double>(heads));
}

double of_value_dim(const Problem<double>& problem, const Variant&) {
  return 1 / std::sqrt(static_cast<double>(problem.V.shape.D));
}

double exp2_for_exp(const Problem<double>& problem, const Variant&) {
  return right_scale(problem) * std::numbers::ln2;
}

double exp_for_exp2(const Problem<double>& problem, const Variant&) {
  return right_scale(problem) * std::numbers::log2e;
}

Variants scale_has_an_inverse(const Simulation& sim) {
  return std::isfinite(1 / right_scale(sim.problem())) ? single_variant() : Variants();
}

Variants own_value_dim(const Simulation& sim) {
  return sim.problem().V.shape.D != sim.problem().Q.shape.D ? single_variant() : Variants();
}

Variants query_or_kv_heads(const Simulation& sim) {
  const bool grouped = sim.problem().Q.shape.H != sim.problem().K.shape.H;
  return grouped ? each_named("heads", {"query heads", "K/V heads"}) : each_named("heads", {"query heads"});
}

// out = scale P V = P (scale V)
AlteredProblem scaled_after_softmax(const Problem<double>& problem, const Sharding&, const Variant& variant) {
  const double scale = right_scale(problem);
  const auto times_scale = [scale](const RowPlace&, Eigen::Ref<Eigen::RowVectorXd> row) { row *= scale; };
  AlteredProblem wrong(problem);
  if (variant["before the softmax"] == 0) wrong.scoring.softmax_scale = 1;
  wrong.transform_rows(Operand::v, times_scale, times_scale);
  return wrong;
}

Variants scaled_before_too(const Simulation&) {
  return each_named("before the softmax", {"not scaled", "scaled as well"});
}

// ---- A scale that depends on the step ----------------------------------------

// (Skv) the scale of every key on a device
using ScalesOfKeys = std::function<std::vector<double>(int device)>;

// Attention in which each device has its own scale for every key. The keys are scaled instead of the scores.
AttentionOutput<double> with_scales(const Simulation& sim, const ScalesOfKeys& scales_of) {
  Shape out = sim.problem().out_shape();
  out.S = static_cast<Index>(sim.rows().size());
  AttentionOutput<double> result{Tensor<double>(out), row_tensor<double>(out.B, out.S, out.H)};
  for (int device = 0; device < sim.devices(); ++device) {
    std::vector<Index> rows, places;
    for (Index n = 0; n < out.S; ++n)
      if (const Index i = sim.rows()[static_cast<std::size_t>(n)];
          sim.sharding().queries.device_of(i) == device)
        rows.push_back(i), places.push_back(n);
    const std::vector<double> scales = scales_of(device);
    const auto times_scale = [&](const RowPlace& p, Eigen::Ref<Eigen::RowVectorXd> row) {
      row *= scales[static_cast<std::size_t>(p.s)];
    };
    AlteredProblem wrong(sim.problem());
    wrong.scoring.softmax_scale = 1;
    wrong.transform_rows(Operand::k, times_scale, times_scale);
    const AttentionOutput<double> part = wrong.attention_of(rows);
    scatter_rows(part.out, places, result.out);
    scatter_rows(part.lse, places, result.lse);
  }
  return result;
}

// The scale of tile n of a device is multiplied by factor^n
AttentionOutput<double> multiplied_in_every_iteration(const Simulation& sim, const Variant& variant) {
  const double scale = right_scale(sim.problem());
  const double factor = variant["factor"] == 0 ? scale : std::numbers::log2e;
  const bool restarts = variant["counted"] == 1;
  return with_scales(sim, [&](int device) {
    std::vector<double> scales(static_cast<std::size_t>(sim.problem().K.shape.S));
    int owner = -1, iteration = 0;
    for (const std::vector<Index>& tile : sim.tiles(device, variant["tile"])) {
      const int owner_of_tile = sim.sharding().keys.device_of(tile.front());
      if (restarts && owner_of_tile != owner) iteration = 0;
      owner = owner_of_tile;
      for (const Index j : tile) scales[static_cast<std::size_t>(j)] = scale * std::pow(factor, iteration);
      ++iteration;
    }
    return scales;
  });
}

// Own or received blocks lack the scale, or have it twice
AttentionOutput<double> some_blocks_scaled_wrongly(const Simulation& sim, const Variant& variant) {
  const double scale = right_scale(sim.problem());
  const double wrong = variant["scale"] == 0 ? 1 : scale * scale;
  return with_scales(sim, [&](int device) {
    std::vector<double> scales(static_cast<std::size_t>(sim.problem().K.shape.S));
    for (std::size_t j = 0; j < scales.size(); ++j) {
      const bool own = sim.sharding().keys.device_of(static_cast<Index>(j)) == device;
      scales[j] = own == (variant["blocks"] == 0) ? wrong : scale;
    }
    return scales;
  });
}

Variants each_iteration(const Simulation& sim) {
  const Variants factors = each_named("factor", {"softmax_scale", "log2(e)"});
  const Index keys = sim.problem().K.shape.S,
              largest = largest_shard(sim.sharding().layout, sim.devices(), keys);
  Variants variants;
  if (sim.devices() > 1)
    variants = factors * each_named("counted", {"along the ring"}) * Variants{Variant({"tile", 0, "block"})};
  for (const Index tile : {16, 32, 64, 128, 256})
    if (tile < largest)
      for (const Variant& variant :
           factors* each_named("counted", {"along the ring", "in each block"}) * each_of("tile", {tile}))
        variants.push_back(variant);
  return variants;
}

Variants own_or_received(const Simulation& sim) {
  if (sim.devices() == 1) return {};
  return each_named("blocks", {"own", "received"}) * each_named("scale", {"missing", "twice"});
}

}  // namespace

std::vector<Mistake> scale_mistakes() {
  constexpr const char* any_row = "every row with two or more visible keys is wrong, and so is its lse";
  return {
      {.id = "S1",
       .family = Family::scale,
       .title = "the scores are not scaled",
       .wrong = "S = Q K^T",
       .fingerprint = any_row,
       .why = "Scores are too large by the factor sqrt(d), so the softmax is too sharp.",
       .fix = "Use S = scale Q K^T with scale = 1 / sqrt(d).",
       .variants = always,
       .alteration = with_scale(omitted)},
      {.id = "S2",
       .family = Family::scale,
       .title = "the scale is applied twice",
       .wrong = "S = scale^2 Q K^T (with the default scale, Q K^T / d)",
       .fingerprint = any_row,
       .why = "Q is often scaled before it is passed to a kernel that scales the scores as well; the softmax "
              "is too flat.",
       .fix = "Scale once: pass scale = 1 to the kernel, or do not scale Q.",
       .seen_in = "InternLM/xtuner#873",
       .variants = always,
       .alteration = with_scale(scale_applied_twice)},
      {.id = "S3",
       .family = Family::scale,
       .title = "the scores are multiplied by sqrt(d) instead of divided by it",
       .wrong = "S = Q K^T / scale",
       .fingerprint = "the weights are almost one-hot: each row returns the value of its best key",
       .why = "Scores are too large by the factor d.",
       .fix = "Use S = scale Q K^T with scale = 1 / sqrt(d).",
       .seen_in = "AI-Hypercomputer/maxtext#1370",
       .variants = scale_has_an_inverse,
       .alteration = with_scale(inverted)},
      {.id = "S4",
       .family = Family::scale,
       .title = "the scale is computed from the model dimension",
       .wrong = "scale = 1 / sqrt(Hq d)",
       .fingerprint = any_row,
       .why = "A score sums d products, not Hq d, so the softmax is too flat.",
       .fix = "Use scale = 1 / sqrt(d), where d is the dimension of one head.",
       .variants = several_heads,
       .alteration = with_scale(of_model_dim)},
      {.id = "S5",
       .family = Family::scale,
       .title = "the scale is computed from the number of heads",
       .wrong = "scale = 1 / sqrt(H)",
       .fingerprint = any_row,
       .why = "The size of the wrong axis is used as d.",
       .fix = "Use scale = 1 / sqrt(d), where d is the last axis of q.",
       .seen_in = "NVIDIA/TransformerEngine@20c752959",
       .variants = query_or_kv_heads,
       .alteration = with_scale(of_number_of_heads)},
      {.id = "S6",
       .family = Family::scale,
       .title = "the scale is applied after the softmax",
       .wrong = "out = scale softmax(Q K^T) V",
       .fingerprint =
           "with V = 1 every row returns the scale instead of 1, including rows with a single visible key",
       .why = "The weights of a row no longer sum to 1.",
       .fix = "Use out = softmax(scale Q K^T) V.",
       .seen_in = "FrancescoSaverioZuppichini/ViT#2",
       .variants = scaled_before_too,
       .alteration = scaled_after_softmax},
      {.id = "S7",
       .family = Family::scale,
       .title = "exp2 is applied to scores without the factor log2(e)",
       .wrong = "P = 2^(S - lse), so the effective scale is scale ln 2",
       .fingerprint = any_row,
       .why = "2^x = e^(x ln 2), so the softmax is too flat.",
       .fix = "Multiply the scores by log2(e) before exp2.",
       .variants = always,
       .alteration = with_scale(exp2_for_exp)},
      {.id = "S8",
       .family = Family::scale,
       .title = "the scale includes log2(e), but exp is used",
       .wrong = "P = exp(log2(e) S - lse), so the effective scale is scale / ln 2",
       .fingerprint = any_row,
       .why = "The factor log2(e) belongs to exp2 only; with exp the softmax is too sharp.",
       .fix = "Use exp2 with the factor, or exp without it.",
       .variants = always,
       .alteration = with_scale(exp_for_exp2)},
      {.id = "S9",
       .family = Family::scale,
       .title = "the scale is multiplied in again at every iteration",
       .wrong = "iteration t uses the scale scale f^t, with f = scale or log2(e)",
       .fingerprint =
           "the first block is right; the error grows with every further block that a row attends to",
       .why = "A variable defined outside the loop is modified inside it.",
       .fix = "Compute the scale once, before the loop.",
       .seen_in = "flagos-ai/FlagGems#424",
       .variants = each_iteration,
       .forward = multiplied_in_every_iteration},
      {.id = "S10",
       .family = Family::scale,
       .title = "own and received blocks are scaled differently",
       .wrong = "S_b = Q K_b^T, or scale^2 Q K_b^T, for some blocks b",
       .fingerprint = "rows that attend to one kind of block only may be right; other rows weight the two "
                      "kinds inconsistently",
       .why = "The ring sends a scaled copy of K where an unscaled one is expected, or the reverse.",
       .fix = "Scale Q once, or scale the scores of every block; send K unscaled.",
       .variants = own_or_received,
       .forward = some_blocks_scaled_wrongly},
      {.id = "S11",
       .family = Family::scale,
       .title = "the scale is computed from the dimension of V",
       .wrong = "scale = 1 / sqrt(dv)",
       .fingerprint = any_row,
       .why = "A score sums over the dimension of Q and K, which may differ from that of V.",
       .fix = "Use scale = 1 / sqrt(d), where d is the last axis of q.",
       .variants = own_value_dim,
       .alteration = with_scale(of_value_dim)},
  };
}

}  // namespace ringattn
