#pragma once

#include "reference/definition/dtype.h"
#include "reference/definition/problem.h"

namespace ringattn {

// The largest error that rounding may cause in a correct result, in the measure of comparison.h.
struct RoundingBound {
  double out = 0, lse = 0, gradients = 0;
};

// For arithmetic with unit roundoff u (2^-53 for f64, else 2^-24) and results stored as _dtype_:
//   relative error of any P_ij and of l:   tau = u (32 + d / 4 + 4 S + 2 sqrt(C) + C / 3)
//   d    length of the dot products, whose rounding errors add up
//   S    largest |score| or |sink|: exp turns the absolute error of its argument into a relative error
//        With ALiBi, 3 S + log n + slope d0, for n keys and d0 the largest distance of a query from its nearest visible
//        key. A score of the distance d has an error of u slope d, which counts by its weight: the mean of slope d over
//        the weights of a row is at most slope d0 + 2 S + log n, because the entropy of n weights is at most log n
//   C    longest chain of dependent additions in l: one per tile, then one per vector lane within a tile. A tile ends
//        at the end of a run of positions: positions without order make a tile of every key
// The bounds: out = tau + u_dtype, lse = tau, gradients = 3 tau + 2 u_dtype (products of three such factors), where
// u_dtype is the unit roundoff of storage in bf16 or f16, 0 otherwise.
// The form follows Higham, Accuracy and Stability of Numerical Algorithms, chapter 3; the constants are measured errors
// times 2 to 4.
template <class T>
RoundingBound rounding_bound(const Problem<T>& problem, Dtype dtype);

}  // namespace ringattn
