#pragma once

#include "tests/oracle/ring.h"

namespace ringattn {

// A causal problem on a ring of devices, with the gradients of its loss
struct StrategyCase : Ring {
  StrategyCase(const Extents& extents, int devices, Layout layout = Layout::contiguous, bool causal = true)
      : Ring(drawn_problem(extents, causal), layout, devices),
        problem(drawn.problem()),
        backward(problem, drawn.cotangents(), layout, devices) {}

  static RandomProblem<double> drawn_problem(const Extents& extents, bool causal) {
    Random random(21);
    RandomProblem<double> p = normal_problem(random, extents);
    p.scoring.mask.causal = causal;
    return p;
  }

  Gradients<double> gradients_of(const std::string& id, const std::string& said = "") const {
    for (const Variant& variant : mistake_of_id(id).variants(sim))
      if (variant.describe().find(said) != std::string::npos)
        return mistake_of_id(id).backward(backward, variant);
    throw std::logic_error("no variant of " + id + " contains " + said);
  }

  Problem<double> problem;
  BackwardSimulation backward;
};

inline bool same(const Gradients<double>& a, const Gradients<double>& b) {
  return same(a.dq, b.dq) && same(a.dk, b.dk) && same(a.dv, b.dv);
}

inline Tensor<double> head_of(const Tensor<double>& tensor, Index h) {
  const Shape& s = tensor.shape();
  Tensor<double> head({s.B, s.S, 1, s.D});
  for (Index b = 0; b < s.B; ++b) head.head(b, 0) = tensor.head(b, h);
  return head;
}

inline bool same_heads(const Tensor<double>& a, Index h, const Tensor<double>& b, Index g) {
  return same(head_of(a, h), head_of(b, g));
}

// The sum over sequences, rows and heads, for each element
inline Vector<double> sum_of_all_rows(const Tensor<double>& tensor) {
  Vector<double> sum = Vector<double>::Zero(tensor.shape().D);
  for (Index b = 0; b < tensor.shape().B; ++b)
    for (Index h = 0; h < tensor.shape().H; ++h) sum += tensor.head(b, h).colwise().sum().transpose();
  return sum;
}

inline bool same_sums(const Tensor<double>& a, const Tensor<double>& b) {
  const Vector<double> x = sum_of_all_rows(a), y = sum_of_all_rows(b);
  for (Index d = 0; d < x.size(); ++d)
    if (!(std::abs(x(d) - y(d)) <= 1e-9)) return false;
  return true;
}

}  // namespace ringattn
