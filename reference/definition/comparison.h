#pragma once

#include "reference/definition/tensor.h"

namespace ringattn {

// How far a result X' is from the true X. The one comparator of the project.
struct Comparison {
  double max_abs_error = 0;    // max |X' - X|
  double relative_error = 0;   // norm(X' - X)_F / norm(A)_F, A the magnitude of the terms of X
  double worst_row_error = 0;  // the largest of the same over single rows (b, s, h)
  Index worst_b = 0, worst_s = 0, worst_h = 0;  // where that row is

  // Asserts the good case, so that NaN fails
  bool within(double bound) const { return relative_error <= bound && worst_row_error <= bound; }
};

// Infinities must agree exactly; a NaN anywhere, an infinity that the truth has not, and anything but X where
// A is 0 give an infinite error. Throws BadInput where the shapes disagree.
template <class T>
Comparison compare(const TensorView<const T>& found, const Tensor<double>& truth,
                   const Tensor<double>& magnitude);

}  // namespace ringattn
