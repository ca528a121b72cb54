#pragma once

#include "reference/definition/attention_vjp.h"

namespace ringattn {

// An independent implementation of attention that checks the definition: element by element, in long double, without
// matrices and without a row maximum, with the full Jacobian of the softmax instead of delta. It shares only the types
// of the arguments with the definition; visibility, grouping and scale are implemented separately.

AttentionOutput<double> naive_attention(const Problem<double>& problem);
Gradients<double> naive_attention_vjp(const Problem<double>& problem, const Cotangents<double>& cotangents);

// The largest |score| of all pairs, before and after the soft-cap, and of all sinks. Hidden pairs are included: their
// size indicates the size of the terms that may cancel in a visible score near 0.
double largest_score(const Problem<double>& problem);

// The error bound of the definition in float64 against the naive sums, in the measure of compare()
inline double float64_bound(const Problem<double>& problem) {
  return 1e-15 * (1 + largest_score(problem) / 8);
}

}  // namespace ringattn
