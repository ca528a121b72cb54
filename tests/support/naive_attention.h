#pragma once

#include "reference/definition/attention_vjp.h"

namespace ringattn {

// Attention once more, in another style, to check the definition by: element by element, in long double,
// without matrices, without a row maximum, with the whole Jacobian of the softmax instead of delta. It shares
// with the definition the types of its arguments and nothing else; visibility, grouping and scale are written
// anew.

AttentionOutput<double> naive_attention(const Problem<double>& problem);
Gradients<double> naive_attention_vjp(const Problem<double>& problem, const Cotangents<double>& cotangents);

// The largest |score| of all pairs, before and after the soft-cap. Hidden pairs count: beside them, a visible
// score near 0 is what large terms have left over.
double largest_score(const Problem<double>& problem);

// How closely the definition in float64 agrees with the straight sums, in the error of compare()
inline double float64_bound(const Problem<double>& problem) {
  return 1e-15 * (1 + largest_score(problem) / 8);
}

}  // namespace ringattn
