#pragma once

#include <functional>

#include "reference/definition/attention_vjp.h"
#include "reference/ring/sharding.h"

namespace ringattn {

// One query head of the backward, all its pairs at once: what is right, and every mistake starts from it.
struct BackwardHead {
  Index b, h;
  Vector<double> lse;    // (Sq) -infinity: the row sees no key
  Vector<double> delta;  // (Sq) rowsum(dO * O)
  Vector<double> dlse;   // (Sq) 0 where none was given or no key is seen
  Matrix<bool> visible;  // (Sq, Skv)
  Matrix<double> S;      // (Sq, Skv) scaled and soft-capped scores, hidden pairs too
  Matrix<double> slope;  // (Sq, Skv) 1 - (S / cap)^2, the derivative of the soft-cap; 1 where there is none
  Matrix<double> P;      // (Sq, Skv) exp(S - lse), 0 where hidden
  Matrix<double> dP;     // (Sq, Skv) dO V^T, hidden pairs too
  Matrix<double> dS;     // (Sq, Skv) P * (dP - delta + dlse) * slope
};

// What the gradients of one head are made of: dS, dS and P where all is right. What a mistake does to them,
// it does to these.
struct PairWeights {
  Matrix<double> for_dq, for_dk, for_dv;  // (Sq, Skv)
};

// The backward of attention on a ring, materialised, in float64:
//   dq = scale for_dq K    dk = scale for_dk^T Q    dv = for_dv^T dO    dk, dv summed over a group of heads
// Who computes a pair is known from its rows: the device of its query, at the step when that device holds
// the block of its key.
class BackwardSimulation {
 public:
  // What _problem_ and _cotangents_ look at must outlive this
  BackwardSimulation(const Problem<double>& problem, const Cotangents<double>& cotangents, Layout layout,
                     int devices);

  const Problem<double>& problem() const { return problem_; }
  const Cotangents<double>& cotangents() const { return cotangents_; }
  const Sharding& sharding() const { return sharding_; }
  int devices() const { return sharding_.devices(); }
  double scale() const { return problem_.scoring.scale(problem_.Q.shape.D); }

  // What is right
  const AttentionOutput<double>& forward() const { return forward_; }
  const std::vector<BackwardHead>& heads() const { return heads_; }
  const Gradients<double>& gradients() const { return gradients_; }

  // Gradients where every head follows the rule, which finds the weights right and changes them
  using Rule = std::function<void(const BackwardHead&, PairWeights&)>;
  Gradients<double> run(const Rule& rule) const;

  // The definition on another problem, forward and backward
  Gradients<double> gradients_of(const Problem<double>& other) const;

  // The backward of another problem, given the right forward of this one
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
