#include "reference/definition/attention_vjp.h"

#include <limits>

#include "reference/definition/bad_input.h"
#include "reference/definition/minus_infinity.h"

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

// dS of one head, with respect to the scores before the soft-cap, (Sq, Skv)
template <class T>
Matrix<T> score_gradient(const Problem<T>& problem, const AttentionOutput<T>& forward,
                         const Cotangents<T>& cotangents, const Matrix<T>& P, Index b, Index h) {
  const auto dO = cotangents.dout.head(b, h);
  Vector<T> row_term = -dO.cwiseProduct(forward.out.head(b, h)).rowwise().sum();  // -delta + dlse
  if (cotangents.dlse.data) row_term += cotangents.dlse.head(b, h);
  for (Index i = 0; i < row_term.size(); ++i)
    if (forward.lse(b, i, h, 0) == minus_infinity<T>) row_term(i) = 0;

  Matrix<T> dS = dO * problem.V.head(b, problem.kv_head(h)).transpose();
  dS.colwise() += row_term;
  dS.array() *= P.array();

  // d/ds of c tanh(s / c) is 1 - tanh^2
  if (const T cap = static_cast<T>(problem.scoring.softcap); cap > 0)
    dS.array() *= 1 - (capped_scores(problem, b, h).array() / cap).square();
  return dS;
}

}  // namespace

template <class T>
Gradients<T> attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                           const Cotangents<T>& cotangents) {
  check(problem, cotangents);
  const T scale = static_cast<T>(problem.scoring.scale(problem.Q.shape.D));
  Gradients<T> gradients{Tensor<T>(problem.Q.shape), Tensor<T>(problem.K.shape), Tensor<T>(problem.V.shape)};
  for (Index b = 0; b < problem.Q.shape.B; ++b)
    for (Index h = 0; h < problem.Q.shape.H; ++h) {
      const Index g = problem.kv_head(h);
      const Matrix<T> P = probabilities(problem, forward.lse, b, h);
      const Matrix<T> dS = score_gradient(problem, forward, cotangents, P, b, h);
      gradients.dq.head(b, h) = scale * (dS * problem.K.head(b, g));
      gradients.dk.head(b, g) += scale * (dS.transpose() * problem.Q.head(b, h));
      gradients.dv.head(b, g) += P.transpose() * cotangents.dout.head(b, h);
    }
  return gradients;
}

template void check(const Problem<float>&, const Cotangents<float>&);
template void check(const Problem<double>&, const Cotangents<double>&);
template Gradients<float> attention_vjp(const Problem<float>&, const AttentionOutput<float>&,
                                        const Cotangents<float>&);
template Gradients<double> attention_vjp(const Problem<double>&, const AttentionOutput<double>&,
                                         const Cotangents<double>&);

}  // namespace ringattn
