// The backward pass of one head (FlashAttention-2, arXiv:2307.08691, section 3.1.2), here for a loss that may depend
// on lse as well as on O:
//
//   P  = exp(S - lse)                      probabilities, rebuilt from the lse of the forward pass
//   dV = P^T dO                            forward: O = P V
//   dP = dO V^T
//   delta = rowsum(dO * O)                 (Sq); * is the product element by element
//   dS = P * (dP - delta + dlse)           forward: P = softmax(S), lse = log rowsum exp(S)
//   dS = dS * (1 - tanh^2(S / c))          forward: soft-cap, if c > 0
//   dQ = softmax_scale dS K                forward: S = softmax_scale Q K^T
//   dK = softmax_scale dS^T Q
//   dsink = sum of P_sink (dlse - delta)   P_sink = exp(sink - lse); dS of a key whose value, and so dP, is 0
//
// With dropout, dV = (P * keep / (1 - p))^T dO and dP = dO V^T * keep / (1 - p).
// dK and dV are summed over the query heads that share a K/V head.

#include "reference/definition/attention_vjp.h"

#include <cmath>

#include "reference/definition/input/bad_input.h"
#include "reference/definition/minus_infinity.h"
#include "reference/definition/parallel/cancellation.h"

namespace ringattn {

template <class T>
void check(const Problem<T>& problem, const Cotangents<T>& cotangents) {
  check(problem);
  const Shape out = problem.out_shape(), rows{out.B, out.S, out.H, 1};
  require(cotangents.dout.shape == out, "[attention_vjp] dout must have the shape ", out, " of out; found ",
          cotangents.dout.shape);
  require(!cotangents.dlse.data || cotangents.dlse.shape == rows, "[attention_vjp] dlse must have the shape ",
          rows, "; found ", cotangents.dlse.shape);
}

namespace {

// row_term = dlse - delta of one head, (Sq); 0 if lse = -inf
template <class T>
Vector<T> row_terms(const AttentionOutput<T>& forward, const Cotangents<T>& cotangents, Index b, Index h) {
  Vector<T> row_term = -cotangents.dout.head(b, h).cwiseProduct(forward.out.head(b, h)).rowwise().sum();
  if (cotangents.dlse.data) row_term += cotangents.dlse.head(b, h);
  for (Index i = 0; i < row_term.size(); ++i)
    if (forward.lse(b, i, h, 0) == minus_infinity<T>) row_term(i) = 0;
  return row_term;
}

// dS of one head: the gradient with respect to the scores before the soft-cap, (Sq, Skv)
template <class T>
Matrix<T> score_gradient(const Problem<T>& problem, const Cotangents<T>& cotangents,
                         const Vector<T>& row_term, const Matrix<T>& P, Index b, Index h) {
  // dS = P * (dP - delta + dlse), with dP = dO V^T
  Matrix<T> dS = cotangents.dout.head(b, h) * problem.V.head(b, problem.kv_head(h)).transpose();
  drop(problem, b, h, dS);
  dS.colwise() += row_term;
  dS.array() *= P.array();

  // The derivative of c tanh(s / c) is 1 - tanh^2(s / c)
  if (const T cap = static_cast<T>(problem.scoring.softcap); cap > 0)
    dS.array() *= 1 - (capped_scores(problem, b, h).array() / cap).square();
  return dS;
}

}  // namespace

template <class T>
T sink_gradient(double sink, const Vector<T>& lse, const Vector<T>& row_term) {
  if (sink == minus_infinity<double>) return 0;  // no term; the lse of a row may be -inf, too
  // In float64: there may be millions of rows
  double sum = 0;
  for (Index i = 0; i < lse.size(); ++i) sum += std::exp(static_cast<T>(sink) - lse(i)) * row_term(i);
  return static_cast<T>(sum);
}

template <class T>
Tensor<T> zero_sink_gradients(const Scoring& scoring) {
  return Tensor<T>(scoring.sinks.empty() ? Shape{}
                                         : Shape{1, 1, static_cast<Index>(scoring.sinks.size()), 1});
}

template <class T>
Gradients<T> attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                           const Cotangents<T>& cotangents) {
  check(problem, cotangents);
  const T scale = static_cast<T>(problem.scoring.scale(problem.Q.shape.D));
  Gradients<T> gradients{Tensor<T>(problem.Q.shape), Tensor<T>(problem.K.shape), Tensor<T>(problem.V.shape),
                         zero_sink_gradients<T>(problem.scoring)};
  for (Index b = 0; b < problem.Q.shape.B; ++b)
    for (Index h = 0; h < problem.Q.shape.H; ++h) {
      const Index g = problem.kv_head(h);
      Matrix<T> P = probabilities(problem, forward.lse, b, h);
      throw_if_cancelled();
      const Vector<T> row_term = row_terms(forward, cotangents, b, h);
      const Matrix<T> dS = score_gradient(problem, cotangents, row_term, P, b, h);
      throw_if_cancelled();

      // dQ = softmax_scale dS K   dK += softmax_scale dS^T Q   dV += P^T dO
      gradients.dq.head(b, h) = scale * (dS * problem.K.head(b, g));
      gradients.dk.head(b, g) += scale * (dS.transpose() * problem.Q.head(b, h));
      drop(problem, b, h, P);
      gradients.dv.head(b, g) += P.transpose() * cotangents.dout.head(b, h);
      if (!problem.scoring.sinks.empty())
        gradients.dsinks(0, 0, h, 0) +=
            sink_gradient<T>(problem.scoring.sink(h), forward.lse.head(b, h), row_term);
    }
  return gradients;
}

template void check(const Problem<float>&, const Cotangents<float>&);
template void check(const Problem<double>&, const Cotangents<double>&);
template float sink_gradient(double, const Vector<float>&, const Vector<float>&);
template double sink_gradient(double, const Vector<double>&, const Vector<double>&);
template Tensor<float> zero_sink_gradients(const Scoring&);
template Tensor<double> zero_sink_gradients(const Scoring&);
template Gradients<float> attention_vjp(const Problem<float>&, const AttentionOutput<float>&,
                                        const Cotangents<float>&);
template Gradients<double> attention_vjp(const Problem<double>&, const AttentionOutput<double>&,
                                         const Cotangents<double>&);

}  // namespace ringattn
