#pragma once

#include <vector>

#include "reference/definition/tensor.h"
#include "reference/oracle/error_bound/median.h"

namespace ringattn {

// Statistics of values of which some are not known: NaN stands for these.

inline constexpr double not_known = std::numeric_limits<double>::quiet_NaN();

// All known elements, row by row
std::vector<double> known(const Matrix<double>& values);

// The largest magnitude of the known elements; 0 if there are none
double largest_magnitude(const Matrix<double>& values);
double largest_magnitude(const Tensor<double>& values);

// Each row minus the median of its known elements
Matrix<double> centred(const Matrix<double>& values);

// The share of the known elements whose magnitude is at most _limit_; 0 if there are none
double share_within(const Matrix<double>& values, double limit);

}  // namespace ringattn
