// Attention of one head (Vaswani et al., arXiv:1706.03762, equation 1), with the extensions of later models:
//
//   S = softmax_scale Q K^T              (Sq, Skv)
//   S = c tanh(S / c)                    soft-cap, if c > 0 (Gemma 2, arXiv:2408.00118)
//   S = S - slope |q_position - kv_position|     ALiBi (arXiv:2108.12409, section 3), one slope for each query head
//   S = S + bias, -inf where hidden      bias and mask
//   P = softmax(S), row by row           (Sq, Skv); with an attention sink exp(sink) joins the sum of each row
//   P = P * keep / (1 - p)               dropout, with a given keep
//   O = P V                              (Sq, Dv)
//
// A sink is a learned number of each query head, an extra score without a key and a value (gpt-oss, arXiv:2508.10925).
// Query head h reads K/V head h div (Hq / Hkv) (grouped-query attention, arXiv:2305.13245).

#include "reference/definition/attention.h"

#include <cmath>

#include "reference/definition/minus_infinity.h"
#include "reference/definition/parallel/cancellation.h"
#include "reference/definition/softmax.h"

namespace ringattn {

template <class T>
Matrix<T> capped_scores(const Problem<T>& problem, Index b, Index h) {
  throw_if_cancelled();

  // S = softmax_scale Q K^T
  const T scale = static_cast<T>(problem.scoring.scale(problem.Q.shape.D));
  Matrix<T> S = scale * (problem.Q.head(b, h) * problem.K.head(b, problem.kv_head(h)).transpose());

  // S = c tanh(S / c)
  if (const T cap = static_cast<T>(problem.scoring.softcap); cap > 0)
    S = S.unaryExpr([cap](T score) { return cap * std::tanh(score / cap); });
  return S;
}

template <class T>
Matrix<T> unmasked_scores(const Problem<T>& problem, Index b, Index h) {
  Matrix<T> S = capped_scores(problem, b, h);
  const T slope = static_cast<T>(problem.scoring.alibi_slope(h));
  if (slope == 0) return S;

  // S = S - slope |q_position - kv_position|
  const auto queries = problem.q_positions.of(b), keys = problem.kv_positions.of(b);
  for (Index i = 0; i < S.rows(); ++i)
    for (Index j = 0; j < S.cols(); ++j)
      S(i, j) -= slope * static_cast<T>(distance(queries[static_cast<std::size_t>(i)].position,
                                                 keys[static_cast<std::size_t>(j)].position));
  return S;
}

template <class T>
Matrix<T> scores(const Problem<T>& problem, Index b, Index h) {
  Matrix<T> S = unmasked_scores(problem, b, h);
  const auto queries = problem.q_positions.of(b), keys = problem.kv_positions.of(b);
  for (Index i = 0; i < S.rows(); ++i)
    for (Index j = 0; j < S.cols(); ++j) {
      if (problem.bias) S(i, j) += problem.bias(b, h, i, j);
      const bool is_visible = visible(queries[static_cast<std::size_t>(i)], keys[static_cast<std::size_t>(j)],
                                      problem.scoring.mask);
      if (!is_visible || !problem.allows(b, h, i, j)) S(i, j) = minus_infinity<T>;
    }
  return S;
}

template <class T>
Matrix<T> probabilities(const Problem<T>& problem, const Tensor<T>& lse, Index b, Index h) {
  Matrix<T> P = scores(problem, b, h);
  for (Index i = 0; i < P.rows(); ++i)
    for (Index j = 0; j < P.cols(); ++j)
      // A row with no visible key has S = lse = -inf, and -inf - (-inf) would be NaN
      P(i, j) = P(i, j) == minus_infinity<T> ? T(0) : std::exp(P(i, j) - lse(b, i, h, 0));
  return P;
}

template <class T>
void drop(const Problem<T>& problem, Index b, Index h, Matrix<T>& pairs) {
  if (!problem.dropout) return;
  for (Index i = 0; i < pairs.rows(); ++i)
    for (Index j = 0; j < pairs.cols(); ++j)
      pairs(i, j) *= static_cast<T>(problem.dropout.factor(b, h, i, j));
}

template <class T>
AttentionOutput<T> attention(const Problem<T>& problem) {
  check(problem);
  const Shape out = problem.out_shape();
  AttentionOutput<T> result{Tensor<T>(out), row_tensor<T>(out.B, out.S, out.H)};
  for (Index b = 0; b < out.B; ++b)
    for (Index h = 0; h < out.H; ++h) {
      // P = softmax(S)   O = P V
      Matrix<T> P = scores(problem, b, h);
      result.lse.head(b, h) = softmax_rows(P, static_cast<T>(problem.scoring.sink(h)));
      drop(problem, b, h, P);
      throw_if_cancelled();
      result.out.head(b, h) = P * problem.V.head(b, problem.kv_head(h));
    }
  return result;
}

template AttentionOutput<float> attention(const Problem<float>&);
template AttentionOutput<double> attention(const Problem<double>&);
template Matrix<float> capped_scores(const Problem<float>&, Index, Index);
template Matrix<double> capped_scores(const Problem<double>&, Index, Index);
template Matrix<float> unmasked_scores(const Problem<float>&, Index, Index);
template Matrix<double> unmasked_scores(const Problem<double>&, Index, Index);
template Matrix<float> scores(const Problem<float>&, Index, Index);
template Matrix<double> scores(const Problem<double>&, Index, Index);
template void drop(const Problem<float>&, Index, Index, Matrix<float>&);
template void drop(const Problem<double>&, Index, Index, Matrix<double>&);
template Matrix<float> probabilities(const Problem<float>&, const Tensor<float>&, Index, Index);
template Matrix<double> probabilities(const Problem<double>&, const Tensor<double>&, Index, Index);

}  // namespace ringattn
