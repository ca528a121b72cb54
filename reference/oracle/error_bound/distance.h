#pragma once

#include "reference/definition/tensor.h"

namespace ringattn {

// |found - expected| / tolerance: the error of one element in units of its tolerance. Equal numbers (equal infinities
// too) give 0; a NaN, unequal infinities, any error beside a tolerance of 0, and an infinite tolerance give infinity.
double error_in_tolerances(double found, double expected, double tolerance);

// The distance of a result from a candidate, in tolerances. A correct result has worst < 1 and rms() of about 0.2.
struct Distance {
  double worst = 0;        // the largest over all elements
  double mean_square = 0;  // over the compared elements
  Index elements = 0;

  double rms() const;
  Distance operator+(const Distance& other) const;  // of two tensors together
};

// All tensors have the shape of _truth_; _tolerance_ belongs to the truth. A candidate can be large where the truth is
// small, so every element of a row (b, s, h) is measured by the largest tolerance of the row, multiplied by
//   max(1, largest |candidate| of the row / largest |truth| of the row).
//
// An element that is NaN in both, or the same infinity, and is not that in the truth, is no contradiction, but no
// evidence either: it is not counted. If no element is left, the distance is infinite, because a result without numbers
// agrees with every mistake that leaves none.
Distance measure_distance(const TensorView<const double>& found, const Tensor<double>& candidate,
                          const Tensor<double>& truth, const Tensor<double>& tolerance);

}  // namespace ringattn
