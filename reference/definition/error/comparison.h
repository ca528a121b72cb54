#pragma once

#include "reference/definition/tensor.h"

namespace ringattn {

// The error of a result X' against the true X. Every comparison of the project uses this one.
// A is the magnitude of X (magnitude.h): rounding errors are in proportion to A.
struct Comparison {
  double max_abs_error = 0;    // max |X' - X|
  double relative_error = 0;   // norm(X' - X) / norm(A) over the whole tensor, Frobenius norms
  double worst_row_error = 0;  // the largest such ratio over single rows (b, s, h)
  Index worst_b = 0, worst_s = 0, worst_h = 0;  // the indices of that row

  // Written as "error <= bound", which is false for NaN
  bool within(double bound) const { return relative_error <= bound && worst_row_error <= bound; }
};

// Compares element by element in double. Infinities must agree exactly. The error is infinite for a NaN in any
// operand, for an infinity that the truth does not have, and for any difference where A = 0. Errors of numbers
// and weights near the smallest normal number of T, which lose their digits, count as 0.
// Throws BadInput if the shapes disagree.
template <class T>
Comparison compare(const TensorView<const T>& found, const Tensor<double>& truth,
                   const Tensor<double>& magnitude);

}  // namespace ringattn
