#pragma once

#include "reference/definition/dtype.h"
#include "reference/definition/problem.h"

namespace ringattn {

// How far correct results may be from the truth, in the error of comparison.h.
struct RoundingBound {
  double out = 0, lse = 0, gradients = 0;
};

// For arithmetic with unit roundoff u (2^-53 for f64, else 2^-24) and results stored as _dtype_:
//   relative error of any P_ij and of l:   tau = u (32 + d / 4 + 4 S + 2 sqrt(C) + C / 10)
//   d    length of the dot products, whose rounding errors add up
//   S    largest |score|: exp turns the absolute error of its argument into a relative one
//   C    longest chain of dependent additions in l: blocks after blocks, and lanes within a tile
// out = tau + u_dtype;   lse = tau;   gradients = 3 tau + 2 u_dtype, being products of three such factors.
// Higham, Accuracy and Stability of Numerical Algorithms, chapter 3; constants from measured errors times 2
// to 4.
template <class T>
RoundingBound rounding_bound(const Problem<T>& problem, Dtype dtype);

}  // namespace ringattn
