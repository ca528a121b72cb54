#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "reference/oracle/check.h"
#include "tests/oracle/verdict/emulated_kernel.h"
#include "tests/support/random_problem.h"
#include "tests/support/special_values.h"

namespace ringattn {

// A causal problem on four devices, and the right results in float64
struct SubmittedCase {
  explicit SubmittedCase(const Extents& extents = {
                             .B = 1, .Sq = 64, .Skv = 64, .Hq = 4, .Hkv = 2, .D = 32, .Dv = 24}) {
    Random random(7);
    p = normal_problem(random, extents);
    make_exact(p, Precision::bf16);
    p.scoring.mask.causal = true;
    right = attention(p.problem());
    out = right.out, lse = right.lse;
  }
  SubmittedCase(const SubmittedCase&) = delete;

  // Checks the current out, stored as bf16, and lse
  Report report(bool with_lse = false, bool undetectable = false, bool diagnose = true) {
    Tensor<double> stored = out;
    round_to(Dtype::bf16, stored);
    Submission s;
    s.problem = p.problem(), s.out = stored;
    if (with_lse) s.lse = lse.view();
    s.declared = {.implementation = Precision::bf16, .stored = Dtype::bf16};
    s.layout = Layout::contiguous, s.devices = devices;
    return check_submission(s, {.diagnose = diagnose, .list_undetectable = undetectable});
  }
  Report without_diagnosis() { return report(false, false, false); }

  RandomProblem<double> p;
  AttentionOutput<double> right;
  Tensor<double> out, lse;
  int devices = 4;
};

// Small, so that all pairs of mistakes are tried quickly
inline constexpr Extents two_heads{.B = 1, .Sq = 64, .Skv = 64, .Hq = 2, .Hkv = 1, .D = 16, .Dv = 12};

inline bool named(const Report& report, const std::string& id) {
  const Diagnosis* diagnosis = report.diagnosis();
  return diagnosis && std::any_of(diagnosis->names.begin(), diagnosis->names.end(),
                                  [&](const Candidate& candidate) { return id_of(candidate) == id; });
}

// scale q_i . k_j
inline double score(const RandomProblem<double>& p, Index i, Index h, Index j) {
  double sum = 0;
  for (Index d = 0; d < p.Q.shape().D; ++d) sum += p.Q(0, i, h, d) * p.K(0, j, h / 2, d);
  return sum / std::sqrt(static_cast<double>(p.Q.shape().D));
}

// out_i = sum_j weight(i, h, j) V_j / sum_j weight(i, h, j)
template <class Weight>
void attend(SubmittedCase& submitted, const Weight& weight) {
  const Shape& out = submitted.out.shape();
  for (Index i = 0; i < out.S; ++i)
    for (Index h = 0; h < out.H; ++h) {
      double l = 0;
      std::vector<double> O(static_cast<std::size_t>(out.D));
      for (Index j = 0; j < submitted.p.K.shape().S; ++j) {
        const double w = weight(i, h, j);
        l += w;
        for (Index d = 0; d < out.D; ++d) O[static_cast<std::size_t>(d)] += w * submitted.p.V(0, j, h / 2, d);
      }
      for (Index d = 0; d < out.D; ++d)
        submitted.out(0, i, h, d) = l > 0 ? O[static_cast<std::size_t>(d)] / l : 0;
    }
}

}  // namespace ringattn
