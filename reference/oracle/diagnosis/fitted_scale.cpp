#include "reference/oracle/diagnosis/fitted_scale.h"

#include <cmath>
#include <cstdio>

namespace ringattn {

namespace {

// Parameters of variants are integers: the factor is a multiple of 2^-40
constexpr double unit = 0x1p-40;

Variant variant_of(double factor) {
  char said[48];
  std::snprintf(said, sizeof said, "%.6g x the right one", factor);
  return Variant({"effective scale", std::llround(factor / unit), said});
}

AttentionOutput<double> scaled(const Simulation& sim, const Variant& variant) {
  const double factor = static_cast<double>(variant["effective scale"]) * unit;
  Problem<double> other = sim.problem();
  other.scoring.softmax_scale = factor * other.scoring.scale(other.Q.shape.D);
  return sim.attention_of(other);
}

}  // namespace

std::vector<Mistake> fitted_scale_mistake() {
  return {{.id = "S0",
           .family = Family::scale,
           .title = "the scores have another scale",
           .wrong = "softmax(f scale Q K^T) V with f other than 1",
           .fingerprint = "every row with more than one visible key is wrong; lse is wrong",
           .why = "the softmax is flatter or sharper than the correct one",
           .fix = "scale = 1/sqrt(head_dim), once",
           .variants = [](const Simulation&) { return Variants(); },
           .forward = scaled}};
}

std::optional<Candidate> fitted_scale(const Simulation& simulation, const BoundedAttention& bounded,
                                      const Submission& submission, const ComparedTensors& compared) {
  const Mistake& entry = mistake_of_id("S0");
  const auto candidate_of = [&](double factor) {
    return reevaluate({{&entry, variant_of(factor)}}, simulation, bounded, submission, compared).front();
  };
  const auto distance = [&](double logarithm) {
    return candidate_of(std::exp(logarithm)).distance.mean_square;
  };

  // The best point of a coarse grid of factors from 1/64 to 64, even in the logarithm
  constexpr double step = 0.18;
  double best = 0, nearest = distance(0);
  for (int n = -23; n <= 23; ++n)
    if (const double d = distance(n * step); d < nearest) nearest = d, best = n * step;
  if (!(nearest < distance(0))) return std::nullopt;

  // Golden-section search between its neighbours
  const double golden = (std::sqrt(5.0) - 1) / 2;
  double low = best - step, high = best + step;
  double a = high - golden * (high - low), b = low + golden * (high - low), at_a = distance(a),
         at_b = distance(b);
  for (int n = 0; n < 60; ++n) {
    if (at_a < at_b) {
      high = b, b = a, at_b = at_a, a = high - golden * (high - low), at_a = distance(a);
    } else {
      low = a, a = b, at_a = at_b, b = low + golden * (high - low), at_b = distance(b);
    }
  }
  return candidate_of(std::exp((low + high) / 2));
}

}  // namespace ringattn
