#include "reference/oracle/catalogue/backward_simulation.h"

#include <cmath>
#include <limits>

#include "reference/definition/minus_infinity.h"
#include "reference/definition/parallel/cancellation.h"

namespace ringattn {

BackwardSimulation::BackwardSimulation(const Problem<double>& problem, const Cotangents<double>& cotangents,
                                       Layout layout, int devices)
    : problem_(problem),
      cotangents_(cotangents),
      sharding_(layout, devices, problem.Q.shape.S, problem.K.shape.S),
      forward_(attention(problem)) {
  check(problem, cotangents);
  for (Index b = 0; b < problem.Q.shape.B; ++b)
    for (Index h = 0; h < problem.Q.shape.H; ++h) heads_.push_back(head(b, h));
  gradients_ = run([](const BackwardHead&, PairWeights&) {});
}

BackwardHead BackwardSimulation::head(Index b, Index h) const {
  BackwardHead head;
  head.b = b, head.h = h;

  // Row terms: delta = rowsum(dO * O), dlse
  const auto dO = cotangents_.dout.head(b, h);
  head.lse = forward_.lse.head(b, h);
  head.delta = dO.cwiseProduct(forward_.out.head(b, h)).rowwise().sum();
  head.dlse = Vector<double>::Zero(head.lse.size());
  if (cotangents_.dlse.data) head.dlse = cotangents_.dlse.head(b, h);

  // Scores and the derivative of the soft-cap
  head.S = unmasked_scores(problem_, b, h);
  head.slope = Matrix<double>::Ones(head.S.rows(), head.S.cols());
  if (const double cap = problem_.scoring.softcap; cap > 0)
    head.slope.array() -= (capped_scores(problem_, b, h).array() / cap).square();

  // P = exp(S - lse) of the visible pairs
  head.visible = Matrix<bool>(head.S.rows(), head.S.cols());
  head.P = Matrix<double>::Zero(head.S.rows(), head.S.cols());
  const auto queries = problem_.q_positions.of(b), keys = problem_.kv_positions.of(b);
  for (Index i = 0; i < head.S.rows(); ++i) {
    if (head.lse(i) == minus_infinity<double>) head.dlse(i) = 0;
    for (Index j = 0; j < head.S.cols(); ++j) {
      head.visible(i, j) = visible(queries[static_cast<std::size_t>(i)], keys[static_cast<std::size_t>(j)],
                                   problem_.scoring.mask);
      if (head.visible(i, j)) head.P(i, j) = std::exp(head.S(i, j) - head.lse(i));
    }
  }

  // dP = dO V^T,  dS = P * (dP - delta + dlse) * slope
  head.dP = dO * problem_.V.head(b, problem_.kv_head(h)).transpose();
  head.dS = head.dP;
  head.dS.colwise() += head.dlse - head.delta;
  head.dS.array() *= head.P.array() * head.slope.array();
  return head;
}

Gradients<double> BackwardSimulation::run(const Rule& rule) const {
  Gradients<double> gradients{Tensor<double>(problem_.Q.shape), Tensor<double>(problem_.K.shape),
                              Tensor<double>(problem_.V.shape)};
  PairWeights weights;
  for (const BackwardHead& head : heads_) {
    throw_if_cancelled();
    const Index b = head.b, h = head.h, g = problem_.kv_head(h);
    weights.for_dq = head.dS, weights.for_dk = head.dS, weights.for_dv = head.P;
    rule(head, weights);
    gradients.dq.head(b, h) = scale() * (weights.for_dq * problem_.K.head(b, g));
    gradients.dk.head(b, g) += scale() * (weights.for_dk.transpose() * problem_.Q.head(b, h));
    gradients.dv.head(b, g) += weights.for_dv.transpose() * cotangents_.dout.head(b, h);
  }
  return gradients;
}

Gradients<double> BackwardSimulation::backward_of(const Problem<double>& other) const {
  return attention_vjp(other, forward_, cotangents_);
}

}  // namespace ringattn
