#pragma once

#include <doctest/doctest.h>

#include <optional>

#include "reference/definition/error/magnitude.h"
#include "reference/definition/input/bad_input.h"
#include "reference/oracle/check.h"
#include "tests/support/random_problem.h"
#include "tests/support/special_values.h"

namespace ringattn {

// Results to be submitted; without gradients, only the forward is.
struct WrongResults {
  AttentionOutput<double> forward;
  std::optional<Gradients<double>> gradients;
};

inline const CheckOptions verdict_only{.diagnose = false, .list_undetectable = false};

// The report on the results; nothing if the case is refused because rounding leaves it no digits
inline std::optional<Report> report_on(const RandomProblem<double>& p, const WrongResults& results,
                                       const ImplementationPrecision& declared,
                                       const CheckOptions& options = verdict_only) {
  Submission s;
  s.problem = p.problem(), s.cotangents = p.cotangents(), s.declared = declared;
  s.out = results.forward.out.view(), s.lse = results.forward.lse.view();
  if (results.gradients)
    s.dq = results.gradients->dq.view(), s.dk = results.gradients->dk.view(),
    s.dv = results.gradients->dv.view();
  try {
    return check_submission(s, options);
  } catch (const BadInput&) {
    return {};
  }
}

// Whether out is wrong by more than a quarter of the magnitude of its terms in some head
inline bool far_apart(const Problem<double>& problem, const Tensor<double>& out) {
  const Tensor<double> truth = attention(problem).out, size = attention_magnitude(problem).out;
  for (Index b = 0; b < out.shape().B; ++b)
    for (Index h = 0; h < out.shape().H; ++h)
      if ((out.head(b, h) - truth.head(b, h)).norm() > 0.26 * size.head(b, h).norm()) return true;
  return false;
}

// Checks that out of zeros, negated, and with its rows in the opposite order fails; returns the number of verdicts
inline int check_never_passes(const RandomProblem<double>& p, const WrongResults& right,
                              const ImplementationPrecision& declared) {
  int verdicts = 0;
  const auto fails = [&](const char* kind, auto change) {
    WrongResults wrong{right.forward, {}};
    change(wrong.forward.out);
    if (!far_apart(p.problem(), wrong.forward.out)) return;
    const auto report = report_on(p, wrong, declared);
    if (!report) return;
    ++verdicts;
    CHECK_MESSAGE(report->verdict == Verdict::fail, kind);
  };
  fails("zeros", [](Tensor<double>& out) { std::fill_n(out.data(), out.size(), 0.0); });
  fails("negated", [](Tensor<double>& out) {
    for (Index n = 0; n < out.size(); ++n) out.data()[n] *= -1;
  });
  fails("exchanged", [](Tensor<double>& out) {
    for (Index b = 0; b < out.shape().B; ++b)
      for (Index h = 0; h < out.shape().H; ++h) out.head(b, h) = out.head(b, h).colwise().reverse().eval();
  });
  return verdicts;
}

}  // namespace ringattn
