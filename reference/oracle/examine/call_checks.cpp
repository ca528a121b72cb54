#include <algorithm>
#include <cmath>

#include "reference/definition/error/chunked.h"
#include "reference/oracle/examine/examination.h"

namespace ringattn {

namespace {

using enum FindingKind;

// The rows of one head whose elements satisfy the condition (row, channel)
template <class Condition>
std::vector<Index> rows_with(const Shape& out, const Condition& condition) {
  std::vector<Index> rows;
  for (Index i = 0; i < out.S; ++i)
    for (Index d = 0; d < out.D; ++d)
      if (condition(i, d)) {
        rows.push_back(i);
        break;
      }
  return rows;
}

void find_not_finite(ExaminationState& state) {
  const Shape& out = state.ordinary.out.shape();
  for (Index b = 0; b < out.B; ++b)
    for (Index h = 0; h < out.H; ++h) {
      const auto rows =
          rows_with(out, [&](Index i, Index d) { return !std::isfinite(state.ordinary.out(b, i, h, d)); });
      const bool lse_is_right = state.returns_lse() && std::all_of(rows.begin(), rows.end(), [&](Index i) {
                                  const double right = state.bounded.truth.lse(b, i, h, 0);
                                  return std::abs(state.ordinary.lse(b, i, h, 0) - right) <=
                                         state.bounded.tolerance.lse(b, i, h, 0);
                                });
      state.findings.add(
          b, h, rows,
          {.kind = not_finite, .subject = "ordinary numbers", .quoted = lse_is_right ? "lse is right" : ""});
    }
}

// Returns whether the two results of one call agree up to rounding
bool find_not_reproducible(ExaminationState& state, const Tensor<double>& again) {
  const Shape& out = again.shape();
  Finding finding{.kind = not_reproducible};
  double &greatest = finding.numbers["greatest_difference"], &elements = finding.numbers["elements"];
  bool within_rounding = true;
  for (Index b = 0; b < out.B; ++b)
    for (Index h = 0; h < out.H; ++h) {
      const auto rows = rows_with(out, [&](Index i, Index d) {
        const double x = state.ordinary.out(b, i, h, d), y = again(b, i, h, d);
        return x != y && !(std::isnan(x) && std::isnan(y));
      });
      for (const Index i : rows)
        for (Index d = 0; d < out.D; ++d) {
          const double difference = std::abs(state.ordinary.out(b, i, h, d) - again(b, i, h, d));
          elements += difference > 0;
          greatest = std::max(greatest, difference);
          if (!(difference <= 2 * state.bounded.tolerance.out(b, i, h, d))) within_rounding = false;
        }
      if (!rows.empty()) finding.where.push_back({b, h, rows});
    }
  finding.subject = within_rounding ? "within rounding" : "";
  if (!finding.where.empty()) state.findings.add(finding);
  return within_rounding;
}

// ---- What does not come from V -------------------------------------------------

// out = W K, for weights W of each head: is it what the implementation returned for V = 0?
template <class Weights>
bool is_weighted_keys(const ExaminationState& state, const Tensor<double>& out, const Weights& weights) {
  const ExaminedAttention& a = state.attention;
  if (a.q.D != a.v.D) return false;
  for (Index b = 0; b < a.q.B; ++b)
    for (Index h = 0; h < a.q.H; ++h) {
      const auto K = state.varied_inputs.K.head(b, a.kv_head(h));
      const Matrix<double> wanted = weights(b, h) * K;
      const double limit = 4 * state.rounding * K.cwiseAbs().maxCoeff() + 1e-3;
      if (!((out.head(b, h) - wanted).cwiseAbs().maxCoeff() <= limit)) return false;
    }
  return true;
}

// The factor c if out = c Q; 0 if it is not
double factor_of_queries(const ExaminationState& state, const Tensor<double>& out) {
  if (state.attention.q.D != state.attention.v.D) return 0;
  const Tensor<double>& Q = state.varied_inputs.Q;
  double product = 0, square = 0, largest = 0, error = 0;
  for (Index n = 0; n < Q.size(); ++n) {
    product += Q.data()[n] * out.data()[n], square += Q.data()[n] * Q.data()[n];
    largest = std::max(largest, std::abs(out.data()[n]));
  }
  const double c = product / square;
  for (Index n = 0; n < Q.size(); ++n) error = std::max(error, std::abs(out.data()[n] - c * Q.data()[n]));
  return error <= 4 * state.rounding * largest ? c : 0;
}

bool find_not_from_values(ExaminationState& state, const Tensor<double>& out) {
  // The rows that are not 0
  Finding finding{.kind = not_from_values};
  const Shape& shape = out.shape();
  double& greatest = finding.numbers["greatest_value"];
  for (Index b = 0; b < shape.B; ++b)
    for (Index h = 0; h < shape.H; ++h) {
      const auto rows = rows_with(shape, [&](Index i, Index d) {
        greatest = std::max(greatest, std::isfinite(out(b, i, h, d)) ? std::abs(out(b, i, h, d)) : 0);
        return std::isfinite(out(b, i, h, d)) && out(b, i, h, d) != 0;
      });
      if (!rows.empty()) finding.where.push_back({b, h, rows});
    }
  if (finding.where.empty()) return false;

  // The right weights times K, the mean of the visible keys, or a multiple of Q
  const ExaminedAttention& a = state.attention;
  const Tensor<double> V(a.v);
  const Problem<double> problem = a.problem(state.varied_inputs.Q, state.varied_inputs.K, V);
  const Tensor<double> lse = attention(problem).lse;
  const auto right = [&](Index b, Index h) { return probabilities(problem, lse, b, h); };
  const auto mean = [&](Index b, Index h) {
    Matrix<double> P = right(b, h);
    for (Index i = 0; i < P.rows(); ++i) {
      P.row(i) = (P.row(i).array() > 0).template cast<double>();
      P.row(i) /= std::max(1.0, P.row(i).sum());
    }
    return P;
  };
  if (is_weighted_keys(state, out, right))
    finding.subject = "K for V";
  else if (is_weighted_keys(state, out, mean))
    finding.subject = "K and V exchanged";
  else if (const double c = factor_of_queries(state, out); c != 0)
    finding.subject = "multiple of Q", finding.numbers["factor"] = c;
  state.findings.add(finding);
  return true;
}

}  // namespace

bool check_calls(ExaminationState& state) {
  const ExaminedAttention& a = state.attention;
  state.ordinary_inputs = ordinary_scores(a, state.random);
  state.ordinary_V = ordinary_values(a, state.random);
  state.varied_inputs = varied_scores(a, state.random);
  const Problem<double> problem =
      a.problem(state.ordinary_inputs.Q, state.ordinary_inputs.K, state.ordinary_V);
  state.bounded = bound_attention(problem, all_rows(a.q.S), a.declared);

  // The same call twice, with another call in between
  state.ordinary = state.prober.forward(state.ordinary_inputs, state.ordinary_V);
  const Tensor<double> of_zero_V = state.prober.forward(state.varied_inputs, Tensor<double>(a.v)).out;
  const Tensor<double> again = state.prober.forward(state.ordinary_inputs, state.ordinary_V).out;
  find_not_finite(state);
  return find_not_reproducible(state, again) && !find_not_from_values(state, of_zero_V);
}

}  // namespace ringattn
