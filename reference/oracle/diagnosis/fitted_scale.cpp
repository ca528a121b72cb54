#include "reference/oracle/diagnosis/fitted_scale.h"

#include <cmath>
#include <cstdio>

#include "reference/oracle/measured/golden_section.h"

namespace ringattn {

namespace {

// Parameters of variants are integers: the factor is a multiple of 2^-40
constexpr double unit = 0x1p-40;

Variant variant_of(double factor) {
  char text[48];
  std::snprintf(text, sizeof text, "%.6g x the right one", factor);
  return Variant({"effective scale", std::llround(factor / unit), text});
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

Variants example_scales() {
  Variants variants;
  for (const double factor : {0.5, 0.9, 1.1, 2.0}) variants.push_back(variant_of(factor));
  return variants;
}

std::optional<Candidate> fitted_scale(const Simulation& simulation, const BoundedAttention& bounded,
                                      const Submission& submission, const ComparedTensors& compared) {
  const Mistake& entry = mistake_of_id("S0");
  const auto candidate_of = [&](double factor) {
    return reevaluate({{&entry, variant_of(factor)}}, simulation, bounded, submission, compared).front();
  };
  const auto factor = nearest_factor([&](double f) { return candidate_of(f).distance.mean_square; });
  if (!factor) return std::nullopt;
  return candidate_of(*factor);
}

}  // namespace ringattn
