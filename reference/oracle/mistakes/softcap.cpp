// Mistakes in the soft-cap, c tanh(score / c).

#include <cmath>

#include "reference/oracle/catalogue/altered_problem.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/mask/mask_rules.h"
#include "reference/oracle/mistakes/right_scale.h"

namespace ringattn {

namespace {

AlteredProblem cap_left_out(const Problem<double>& problem, const Sharding&, const Variant&) {
  AlteredProblem wrong(problem);
  wrong.scoring.softcap = 0;
  return wrong;
}

AlteredProblem cap_misplaced(const Problem<double>& problem, const Sharding&, const Variant& variant) {
  const double scale = right_scale(problem), c = problem.scoring.softcap;
  AlteredProblem wrong(problem);
  switch (variant["formula"]) {
    case 0:  // scale c tanh(q . k / c): a soft-cap of scale c
      wrong.scoring.softcap = scale * c;
      break;
    case 1:  // c tanh(s): a scale of c scale
      wrong.scoring.softmax_scale = c * scale;
      break;
    case 2:  // tanh(s / c): a soft-cap of 1 and a scale of scale / c
      wrong.scoring.softcap = 1;
      wrong.scoring.softmax_scale = scale / c;
      break;
  }
  return wrong;
}

// The score is multiplied by tanh(s / c) instead of replaced by c tanh(s / c)
AttentionOutput<double> cap_multiplied(const Simulation& sim, const Variant& variant) {
  const double c = sim.problem().scoring.softcap;
  const double divisor = variant["formula"] == 0 ? c : 1;  // (s / c) tanh(s / c), or s tanh(s / c)
  Problem<double> uncapped = sim.problem();
  uncapped.scoring.softcap = 0;
  const Simulation raw(uncapped, sim.sharding().layout, sim.devices(), sim.rows());
  return attend_with_scores(raw, [c, divisor](const Pair& pair) {
    return pair.visible ? pair.S / divisor * std::tanh(pair.S / c) : minus_infinity<double>;
  });
}

Variants capped(const Simulation& sim) {
  return sim.problem().scoring.softcap > 0 ? single_variant() : Variants();
}

Variants each_cap_formula(const Simulation& sim) {
  if (!(sim.problem().scoring.softcap > 0 && right_scale(sim.problem()) > 0)) return {};
  return each_named("formula", {"scale c tanh(q.k / c)", "c tanh(s)", "tanh(s / c)"});
}

Variants each_product(const Simulation& sim) {
  if (!(sim.problem().scoring.softcap > 0)) return {};
  return each_named("formula", {"(s / c) tanh(s / c)", "s tanh(s / c)"});
}

}  // namespace

std::vector<Mistake> softcap_mistakes() {
  return {
      {.id = "S12",
       .family = Family::scale,
       .title = "the soft-cap is not applied",
       .wrong = "S = scale Q K^T",
       .fingerprint =
           "rows whose scores are well below the cap are almost right; large scores get too much weight",
       .why = "The soft-cap is an option that is not passed to every kernel call.",
       .fix = "Use S = c tanh(scale Q K^T / c) in every block, forward and backward.",
       .variants = capped,
       .alteration = cap_left_out},
      {.id = "S13",
       .family = Family::scale,
       .title = "the soft-cap formula is wrong",
       .wrong = "S = scale c tanh(Q K^T / c), c tanh(scale Q K^T), or tanh(scale Q K^T / c)",
       .fingerprint = "every row with two or more visible keys is wrong, and so is its lse",
       .why = "The cap applies to the scaled score: small scores must pass unchanged, large ones must "
              "saturate at c.",
       .fix = "Use S = c tanh(scale Q K^T / c).",
       .variants = each_cap_formula,
       .alteration = cap_misplaced},
      {.id = "S14",
       .family = Family::scale,
       .title = "the soft-cap multiplies the score by a hyperbolic tangent",
       .wrong = "S = (s / c) tanh(s / c), or s tanh(s / c), with s = scale Q K^T",
       .fingerprint =
           "scores of either sign become positive, so that keys with very negative scores get weight",
       .why = "The score is divided by c in place, and is then the factor of tanh, where c belongs.",
       .fix = "Use S = c tanh(s / c).",
       .variants = each_product,
       .forward = cap_multiplied},
  };
}

}  // namespace ringattn
