#include "tests/support/naive_attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace ringattn {

namespace {

using Real = long double;

constexpr Real infinity = std::numeric_limits<Real>::infinity();

Index kv_head(const Problem<double>& problem, Index h) { return h * problem.K.shape.H / problem.Q.shape.H; }

bool is_visible(const Problem<double>& problem, Index b, Index h, Index i, Index j) {
  const RowPosition query = problem.q_positions.of(b)[static_cast<std::size_t>(i)];
  const RowPosition key = problem.kv_positions.of(b)[static_cast<std::size_t>(j)];
  const Mask& mask = problem.scoring.mask;
  const Real ahead = static_cast<Real>(key.position) - static_cast<Real>(query.position);
  if (query.segment != key.segment) return false;
  if (problem.allowed && !problem.allowed(b, h, i, j)) return false;
  if (mask.causal && ahead > 0) return false;
  if (mask.window_left >= 0 && -ahead > static_cast<Real>(mask.window_left)) return false;
  return mask.window_right < 0 || ahead <= static_cast<Real>(mask.window_right);
}

// log(exp(a) + exp(b))
Real log_add(Real a, Real b) {
  if (a == -infinity) return b;
  if (b == -infinity) return a;
  return a > b ? a + std::log1p(std::exp(b - a)) : b + std::log1p(std::exp(a - b));
}

// The scores and weights of one query of one head, (Skv) each
struct Row {
  std::vector<Real> product;  // scale q . k
  std::vector<Real> score;    // the product, capped and biased; also for hidden keys
  std::vector<Real> slope;    // d score / d (q . k)
  std::vector<Real> weight;   // exp(score - lse); 0: hidden
  Real lse = -infinity;
};

Row row_of(const Problem<double>& problem, Index b, Index h, Index i) {
  const Index Skv = problem.K.shape.S, D = problem.Q.shape.D, g = kv_head(problem, h);
  const Real cap = problem.scoring.softcap;
  const Real scale =
      problem.scoring.softmax_scale ? *problem.scoring.softmax_scale : 1 / std::sqrt(static_cast<Real>(D));
  Row row;
  if (!problem.scoring.sinks.empty()) row.lse = problem.scoring.sinks[static_cast<std::size_t>(h)];
  for (Index j = 0; j < Skv; ++j) {
    Real product = 0;
    for (Index d = 0; d < D; ++d) product += Real{problem.Q(b, i, h, d)} * Real{problem.K(b, j, g, d)};
    product *= scale;
    Real score = product, slope = scale;
    if (cap > 0) {
      const Real cosh = std::cosh(product / cap);
      slope = scale / cosh / cosh;
      score = cap * std::tanh(product / cap);
    }
    if (!problem.scoring.alibi_slopes.empty()) {
      const Real query = problem.q_positions.of(b)[static_cast<std::size_t>(i)].position,
                 key = problem.kv_positions.of(b)[static_cast<std::size_t>(j)].position;
      score -= problem.scoring.alibi_slopes[static_cast<std::size_t>(h)] * std::abs(query - key);
    }
    if (problem.bias) score += problem.bias(b, h, i, j);
    row.product.push_back(product);
    row.score.push_back(score);
    row.slope.push_back(slope);
    if (is_visible(problem, b, h, i, j)) row.lse = log_add(row.lse, score);
  }
  for (Index j = 0; j < Skv; ++j)
    row.weight.push_back(
        is_visible(problem, b, h, i, j) ? std::exp(row.score[static_cast<std::size_t>(j)] - row.lse) : 0);
  return row;
}

// Calls _visit_(b, h, i, row) for every query row of every head
template <class Visit>
void for_each_row(const Problem<double>& problem, Visit visit) {
  for (Index b = 0; b < problem.Q.shape.B; ++b)
    for (Index h = 0; h < problem.Q.shape.H; ++h)
      for (Index i = 0; i < problem.Q.shape.S; ++i) visit(b, h, i, row_of(problem, b, h, i));
}

}  // namespace

AttentionOutput<double> naive_attention(const Problem<double>& problem) {
  const Shape out = problem.out_shape();
  AttentionOutput<double> result{Tensor<double>(out), row_tensor<double>(out.B, out.S, out.H)};
  for_each_row(problem, [&](Index b, Index h, Index i, const Row& row) {
    result.lse(b, i, h, 0) = static_cast<double>(row.lse);
    for (Index d = 0; d < out.D; ++d) {
      Real sum = 0;
      for (Index j = 0; j < problem.V.shape.S; ++j)
        sum += row.weight[static_cast<std::size_t>(j)] * Real{problem.V(b, j, kv_head(problem, h), d)};
      result.out(b, i, h, d) = static_cast<double>(sum);
    }
  });
  return result;
}

Gradients<double> naive_attention_vjp(const Problem<double>& problem, const Cotangents<double>& cotangents) {
  const TensorView<const double>&dout = cotangents.dout, &dlse = cotangents.dlse;
  const std::vector<double>& sinks = problem.scoring.sinks;
  Tensor<Real> dq(problem.Q.shape), dk(problem.K.shape), dv(problem.V.shape),
      dsinks(sinks.empty() ? Shape{} : Shape{1, 1, problem.Q.shape.H, 1});
  for_each_row(problem, [&](Index b, Index h, Index i, const Row& row) {
    if (row.lse == -infinity) return;
    const Index g = kv_head(problem, h);

    // d loss / d P, and its mean under P
    std::vector<Real> dP(row.weight.size());
    Real mean = 0;
    for (std::size_t j = 0; j < dP.size(); ++j) {
      for (Index d = 0; d < dv.shape().D; ++d)
        dP[j] += Real{dout(b, i, h, d)} * Real{problem.V(b, static_cast<Index>(j), g, d)};
      mean += row.weight[j] * dP[j];
    }

    // A sink has the weight exp(sink - lse), and no value: d loss / d P_sink = 0
    if (!sinks.empty())
      dsinks(0, 0, h, 0) += std::exp(sinks[static_cast<std::size_t>(h)] - row.lse) *
                            ((dlse.data ? Real{dlse(b, i, h, 0)} : 0) - mean);

    // The softmax: d P_j / d score_k = P_j ([j = k] - P_k);  the lse: d lse / d score_j = P_j
    for (std::size_t n = 0; n < dP.size(); ++n) {
      const Index j = static_cast<Index>(n);
      const Real dscore =
          row.weight[n] * (dP[n] - mean) + (dlse.data ? row.weight[n] * Real{dlse(b, i, h, 0)} : 0);
      for (Index d = 0; d < dq.shape().D; ++d) {
        dq(b, i, h, d) += dscore * row.slope[n] * Real{problem.K(b, j, g, d)};
        dk(b, j, g, d) += dscore * row.slope[n] * Real{problem.Q(b, i, h, d)};
      }
      for (Index d = 0; d < dv.shape().D; ++d) dv(b, j, g, d) += row.weight[n] * Real{dout(b, i, h, d)};
    }
  });
  return {converted<double>(dq.view()), converted<double>(dk.view()), converted<double>(dv.view()),
          converted<double>(dsinks.view())};
}

double largest_score(const Problem<double>& problem) {
  Real largest = 0;
  for_each_row(problem, [&](Index, Index, Index, const Row& row) {
    for (const auto* numbers : {&row.product, &row.score})
      for (Real number : *numbers) largest = std::max(largest, std::abs(number));
  });
  for (const double sink : problem.scoring.sinks)
    if (std::isfinite(sink)) largest = std::max(largest, std::abs(Real{sink}));
  return static_cast<double>(largest);
}

}  // namespace ringattn
