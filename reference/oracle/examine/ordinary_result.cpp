#include <algorithm>
#include <cmath>

#include "reference/oracle/error_bound/distance.h"
#include "reference/oracle/examine/examination.h"
#include "reference/oracle/verdict/tensor_verdict.h"

namespace ringattn {

namespace {

using enum FindingKind;

constexpr double larger_values = 64;  // factor of V in the test of linearity

// The rows with an error of more than _limit_ tolerances, and the largest error
struct WrongRows {
  std::vector<HeadRows> where;
  double worst = 0;
};

template <class Error>
WrongRows wrong_rows(const ExaminationState& state, double limit, const Error& error) {
  WrongRows wrong;
  const Shape& out = state.ordinary.out.shape();
  for (const HeadReadout& head : state.heads) {
    HeadRows rows{head.b, head.h, {}};
    for (Index i = 0; i < out.S; ++i) {
      if (!head.finite[at(i)]) continue;
      double worst = 0;
      for (Index d = 0; d < out.D; ++d)
        worst = std::max(worst, error_in_tolerances(error(head.b, i, head.h, d), 0,
                                                    state.bounded.tolerance.out(head.b, i, head.h, d)));
      wrong.worst = std::max(wrong.worst, worst);
      if (!(worst <= limit)) rows.rows.push_back(i);
    }
    if (!rows.rows.empty()) wrong.where.push_back(rows);
  }
  return wrong;
}

// Ordinary weights of one row, as the findings state them; none if they do not
std::optional<Matrix<double>> stated_weights(const ExaminationState& state, const HeadReadout& head) {
  const ExaminedAttention& a = state.attention;
  if (head.block_law || head.unexplained) return std::nullopt;
  const double scale = a.scoring.scale(a.q.D);
  Matrix<double> S = scale * (state.ordinary_inputs.Q.head(head.b, head.h) *
                              state.ordinary_inputs.K.head(head.value_batch, head.value_head).transpose());
  if (const double c = a.scoring.softcap; c > 0)
    S = S.unaryExpr([c](double s) { return c * std::tanh(s / c); });
  for (Index i = 0; i < S.rows(); ++i) {
    double m = -INFINITY, sum = 0;
    for (Index j = 0; j < S.cols(); ++j) {
      S(i, j) = head.even.found(i, j) > 0 ? head.scale_factor * S(i, j) + head.level(i, j) : -INFINITY;
      m = std::max(m, S(i, j));
    }
    for (Index j = 0; j < S.cols(); ++j) sum += S(i, j) = m == -INFINITY ? 0 : std::exp(S(i, j) - m);
    sum += head.extra_term(i) * std::exp(m == -INFINITY ? 0 : -m);
    if (sum > 0) S.row(i) *= head.row_sum / sum;
  }
  return S;
}

bool findings_explain(const ExaminationState& state) {
  for (const HeadReadout& head : state.heads) {
    const auto W = stated_weights(state, head);
    if (!W || !head.all_open()) return false;
    const Matrix<double> out = *W * state.ordinary_V.head(head.value_batch, head.value_head);
    for (Index i = 0; i < out.rows(); ++i)
      for (Index d = 0; d < out.cols(); ++d) {
        const double limit = largest_note * state.bounded.tolerance.out(head.b, i, head.h, d) +
                             2 * state.rounding * std::abs(out(i, d)) + 0.02 * state.rounding;
        if (!(std::abs(state.ordinary.out(head.b, i, head.h, d) - out(i, d)) <= limit)) return false;
      }
  }
  return true;
}

}  // namespace

// out is linear in V, and the findings explain what ordinary numbers gave.
bool check_ordinary_result(ExaminationState& state) {
  // 64 times V
  Tensor<double> V = state.ordinary_V;
  for (Index n = 0; n < V.size(); ++n) V.data()[n] *= larger_values;
  const Tensor<double> larger = state.prober.forward(state.ordinary_inputs, V).out;
  const double sign = state.prober.one() > 0 ? 1 : -1;
  const WrongRows bent = wrong_rows(state, largest_note, [&](Index b, Index i, Index h, Index d) {
    return sign * larger(b, i, h, d) / larger_values - state.ordinary.out(b, i, h, d);
  });
  if (!bent.where.empty())
    state.findings.add({.kind = not_linear, .where = bent.where, .numbers = {{"factor", larger_values}}});

  // Ordinary numbers
  const WrongRows wrong = wrong_rows(state, largest_note, [&](Index b, Index i, Index h, Index d) {
    return state.ordinary.out(b, i, h, d) - state.bounded.truth.out(b, i, h, d);
  });
  state.error = wrong.worst;
  if (!wrong.where.empty() && state.findings.size() == 0)
    state.findings.add({.kind = ordinary_wrong, .where = wrong.where, .numbers = {{"error", wrong.worst}}});
  state.explained = wrong.where.empty() || findings_explain(state);
  return true;
}

}  // namespace ringattn
