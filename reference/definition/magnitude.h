#pragma once

#include "reference/definition/attention_vjp.h"

namespace ringattn {

// How large the terms are that a result is summed from: the formula of the result with the absolute values of
// its terms. Rounding errors are in proportion to this, not to the result, in which the terms may cancel.

// A_out = P |V|    A_lse = 1 + |lse|
AttentionOutput<double> attention_magnitude(const Problem<double>& problem);

// W = P * (|dO| |V|^T + rowsum |dO * O| + |dlse|)    A_dq = scale W |K|    A_dk = scale W^T |Q|    A_dv = P^T
// |dO|
Gradients<double> vjp_magnitude(const Problem<double>& problem, const AttentionOutput<double>& forward,
                                const Cotangents<double>& cotangents);

}  // namespace ringattn
