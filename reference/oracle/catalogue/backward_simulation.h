#pragma once

#include <functional>

#include "reference/definition/attention_vjp.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// The correct intermediate values of the backward of one query head, for all pairs of rows. Mistakes start from them.
struct BackwardHead {
  Index b, h;
  Vector<double> lse;    // (Sq) -infinity: the row has no visible key
  Vector<double> delta;  // (Sq) rowsum(dO * O)
  Vector<double> dlse;   // (Sq) 0 if none was given or the row has no visible key
  Matrix<bool> visible;  // (Sq, Skv)
  Matrix<double> S;      // (Sq, Skv) scores before the mask, of hidden pairs too
  Matrix<double>
      slope;  // (Sq, Skv) 1 - (capped score / cap)^2, the derivative of the soft-cap; 1 without a soft-cap
  Matrix<double> P;   // (Sq, Skv) exp(S - lse), 0 where hidden
  Matrix<double> dP;  // (Sq, Skv) dO V^T, of hidden pairs too
  Matrix<double> dS;  // (Sq, Skv) P * (dP - delta + dlse) * slope
};

// The matrices that the gradients of one head are products of. Correct values are dS, dS and P; a mistake changes them.
struct PairWeights {
  Matrix<double> for_dq, for_dk, for_dv;  // (Sq, Skv)
};

// The backward of attention on a ring in float64, with every (Sq, Skv) matrix in memory:
//   dq = scale for_dq K
//   dk = scale for_dk^T Q    summed over the query heads of a group
//   dv = for_dv^T dO         summed over the query heads of a group
// The device that computes a pair follows from its rows: it is the device of the query, at the step at which the block
// of the key is resident there. A mistake of a device or a step is therefore a change of some pairs.
class BackwardSimulation {
 public:
  // The tensors that _problem_ and _cotangents_ view must outlive this
  BackwardSimulation(const Problem<double>& problem, const Cotangents<double>& cotangents, Layout layout,
                     int devices);

  const Problem<double>& problem() const { return problem_; }
  const Cotangents<double>& cotangents() const { return cotangents_; }
  const Sharding& sharding() const { return sharding_; }
  int devices() const { return sharding_.devices(); }
  double scale() const { return problem_.scoring.scale(problem_.Q.shape.D); }

  // The correct results and intermediate values
  const AttentionOutput<double>& forward() const { return forward_; }
  const std::vector<BackwardHead>& heads() const { return heads_; }
  const Gradients<double>& gradients() const { return gradients_; }

  // Gradients if rule(head, weights) changes the weights of every head, which it finds correct
  using Rule = std::function<void(const BackwardHead&, PairWeights&)>;
  Gradients<double> run(const Rule& rule) const;

  // The gradients of another problem by the definition, from the correct forward of this problem
  Gradients<double> backward_of(const Problem<double>& other) const;

 private:
  BackwardHead head(Index b, Index h) const;

  Problem<double> problem_;
  Cotangents<double> cotangents_;
  Sharding sharding_;
  AttentionOutput<double> forward_;
  std::vector<BackwardHead> heads_;
  Gradients<double> gradients_;
};

}  // namespace ringattn
