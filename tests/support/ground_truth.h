#pragma once

#include <cmath>
#include <cstring>
#include <limits>

#include "reference/definition/error/comparison.h"
#include "reference/definition/error/magnitude.h"
#include "tests/support/naive_attention.h"
#include "tests/support/random_problem.h"

namespace ringattn {

// The results of the definition for a problem, and their magnitudes.
struct GroundTruth {
  explicit GroundTruth(const RandomProblem<double>& drawn)
      : forward(attention(drawn.problem())),
        forward_magnitude(attention_magnitude(drawn.problem())),
        gradients(attention_vjp(drawn.problem(), forward, drawn.cotangents())),
        gradients_magnitude(vjp_magnitude(drawn.problem(), forward, drawn.cotangents())) {}

  AttentionOutput<double> forward, forward_magnitude;
  Gradients<double> gradients, gradients_magnitude;
};

// The larger error of the whole tensor and of the worst row; NaN counts as infinite
template <class T>
double worst_error(const Tensor<T>& found, const Tensor<double>& truth, const Tensor<double>& size) {
  constexpr double infinite = std::numeric_limits<double>::infinity();
  const Comparison c = compare(found.view(), truth, size);
  return c.within(infinite) ? std::max(c.relative_error, c.worst_row_error) : infinite;
}

template <class T>
double worst_error(const AttentionOutput<T>& found, const GroundTruth& truth) {
  return std::max(worst_error(found.out, truth.forward.out, truth.forward_magnitude.out),
                  worst_error(found.lse, truth.forward.lse, truth.forward_magnitude.lse));
}

template <class T>
double worst_error(const Gradients<T>& found, const GroundTruth& truth) {
  return std::max({worst_error(found.dq, truth.gradients.dq, truth.gradients_magnitude.dq),
                   worst_error(found.dk, truth.gradients.dk, truth.gradients_magnitude.dk),
                   worst_error(found.dv, truth.gradients.dv, truth.gradients_magnitude.dv),
                   worst_error(found.dsinks, truth.gradients.dsinks, truth.gradients_magnitude.dsinks)});
}

// The error that float arithmetic may cause: unit roundoff times the terms for sums over d, for the argument of exp and
// for sums over the keys
inline double float32_bound(const RandomProblem<double>& drawn) {
  const auto d = static_cast<double>(drawn.extents().D), keys = static_cast<double>(drawn.extents().Skv);
  return 0x1p-24 * (32 + d / 4 + 4 * largest_score(drawn.problem()) + 2 * std::sqrt(keys) + 0.1 * keys);
}

// Whether two tensors are bit-identical
template <class T>
bool same_bits(const Tensor<T>& a, const Tensor<T>& b) {
  const auto bytes = static_cast<std::size_t>(a.bytes());
  return a.shape() == b.shape() && (bytes == 0 || std::memcmp(a.data(), b.data(), bytes) == 0);
}

template <class T>
bool same_bits(const AttentionOutput<T>& a, const AttentionOutput<T>& b) {
  return same_bits(a.out, b.out) && same_bits(a.lse, b.lse);
}

template <class T>
bool same_bits(const Gradients<T>& a, const Gradients<T>& b) {
  return same_bits(a.dq, b.dq) && same_bits(a.dk, b.dk) && same_bits(a.dv, b.dv) &&
         same_bits(a.dsinks, b.dsinks);
}

}  // namespace ringattn
