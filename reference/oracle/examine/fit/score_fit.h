#pragma once

#include "reference/definition/tensor.h"

namespace ringattn {

// The factor s that explains y = s x + constant of the row, and the share of the pairs that it explains.
struct ScoreFit {
  double factor = 1, share = 0;
};

// Fits the differences of neighbouring keys, so that steps between blocks do not disturb it. y is NaN where it is not
// known; _tolerance_ bounds the error of one y. Half of the pairs, weighted by |dx|, lie on each side of the first
// estimate; least squares over the pairs that it explains refine it.
ScoreFit fit_scores(const Matrix<double>& y, const Matrix<double>& x, double tolerance);

// The better one of the fits over neighbouring keys and over neighbouring keys in the order _keys_
ScoreFit fit_scores(const Matrix<double>& y, const Matrix<double>& x, double tolerance,
                    const std::vector<Index>& keys);

// Rows and columns of a matrix, in the given order
Matrix<double> selected(const Matrix<double>& x, const std::vector<Index>& rows,
                        const std::vector<Index>& keys);

}  // namespace ringattn
