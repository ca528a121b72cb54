#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/oracle/error_bound/precision.h"

namespace ringattn {

// Whether the squares of products of these numbers may leave the range of double, up to 2^1023 and down to 2^-1022: a
// number of V, dO, dlse, Q or K, or the scale, is larger than 2^100, or smaller than 2^-100 but not 0; or a weight may
// be smaller than 2^-126, and the implementation computes such weights. Bounds are then computed in long double, whose
// exponent has 15 bits.
bool needs_wide_range(const Problem<double>& problem, const Roundings& u,
                      const Cotangents<double>& cotangents = {});

}  // namespace ringattn
