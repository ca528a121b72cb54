#include "reference/oracle/measured/head_backward.h"

#include <cmath>

namespace ringattn {

Tensor<double> row_terms(const Tensor<double>& dout, const AttentionOutput<double>& forward,
                         const Tensor<double>& dlse) {
  Tensor<double> terms = dlse;
  for (Index b = 0; b < terms.shape().B; ++b)
    for (Index h = 0; h < terms.shape().H; ++h)
      terms.head(b, h).col(0) -= dout.head(b, h).cwiseProduct(forward.out.head(b, h)).rowwise().sum();
  return terms;
}

BackwardInputs right_backward(const Problem<double>& problem, const AttentionOutput<double>& forward,
                              const Cotangents<double>& cotangents) {
  const Shape& q = problem.Q.shape;
  const Tensor<double> dout = converted<double>(cotangents.dout),
                       dlse = cotangents.dlse.data ? converted<double>(cotangents.dlse, Axes::bhsd)
                                                   : row_tensor<double>(q.B, q.S, q.H);
  return {problem, dout, forward.lse, row_terms(dout, forward, dlse)};
}

PairGradients pair_gradients(const BackwardInputs& inputs, Index b, Index h) {
  const Problem<double>& problem = inputs.problem;
  const StridedHead<const double> V = problem.V.head(b, problem.kv_head(h));
  const auto dO = inputs.dout.head(b, h);
  PairGradients pairs{inputs.weight * probabilities(problem, inputs.lse, b, h), dO * V.transpose(),
                      dO.cwiseAbs() * V.cwiseAbs().transpose()};
  for (Index i = 0; i < pairs.P.rows(); ++i) {
    if (std::isinf(inputs.lse(b, i, h, 0))) pairs.P.row(i).setZero();
    pairs.dS.row(i).array() += inputs.row_term(b, i, h, 0);
    pairs.dS_size.row(i).array() += std::abs(inputs.row_term(b, i, h, 0));
  }
  pairs.dS.array() *= pairs.P.array(), pairs.dS_size.array() *= pairs.P.array();
  if (const double cap = problem.scoring.softcap; cap > 0) {
    const Matrix<double> slope = 1 - (capped_scores(problem, b, h).array() / cap).square();
    pairs.dS.array() *= slope.array(), pairs.dS_size.array() *= slope.array();
  }
  return pairs;
}

GradientRows part_of(const std::string& gradient, const BackwardInputs& inputs, const PairGradients& pairs,
                     Index b, Index h) {
  const Problem<double>& problem = inputs.problem;
  const double scale = problem.scoring.scale(problem.Q.shape.D);
  if (gradient == "dv") {
    const Matrix<double> dO = inputs.dout.head(b, h);
    return {pairs.P.transpose() * dO, pairs.P.transpose() * dO.cwiseAbs()};
  }
  if (gradient == "dk") {
    const Matrix<double> Q = problem.Q.head(b, h);
    return {scale * (pairs.dS.transpose() * Q), std::abs(scale) * (pairs.dS_size.transpose() * Q.cwiseAbs())};
  }
  const Matrix<double> K = problem.K.head(b, problem.kv_head(h));
  return {scale * (pairs.dS * K), std::abs(scale) * (pairs.dS_size * K.cwiseAbs())};
}

}  // namespace ringattn
