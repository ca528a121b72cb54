#pragma once

#include "reference/definition/attention_vjp.h"

namespace ringattn {

// The magnitude A_X of a result X: the formula of X with the absolute value of each of its terms. Rounding errors are
// in proportion to A_X, not to X: when large terms cancel, X is small but its error is not.

// A_out = P |V|
// A_lse = 1 + |lse|
AttentionOutput<double> attention_magnitude(const Problem<double>& problem);

// W = P * (|dO| |V|^T + rowsum |dO * O| + |dlse|), the magnitude of dS
// A_dq = |softmax_scale| W |K|
// A_dk = |softmax_scale| W^T |Q|
// A_dv = P^T |dO|
// A_dsink = sum of P_sink (rowsum |dO * O| + |dlse|)
Gradients<double> vjp_magnitude(const Problem<double>& problem, const AttentionOutput<double>& forward,
                                const Cotangents<double>& cotangents);

}  // namespace ringattn
