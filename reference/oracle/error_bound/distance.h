#pragma once

#include "reference/definition/tensor.h"

namespace ringattn {

// How near a result is to a candidate for what it is, in tolerances: the worst element, and the root mean
// square over all. Rounding gives less than 1 and about 0.2.
struct Distance {
  double worst = 0;
  double mean_square = 0;
  Index elements = 0;

  double rms() const;
  // Of two tensors together
  Distance operator+(const Distance& other) const;
};

// _tolerance_ belongs to the truth. A candidate may be large where the truth is small, so a row is measured
// by its largest tolerance, enlarged as much as the candidate is larger than the truth there. NaN in both is
// like; NaN in one is infinitely unlike, and so are infinities that differ.
Distance measure_distance(const TensorView<const double>& found, const Tensor<double>& candidate,
                  const Tensor<double>& truth, const Tensor<double>& tolerance);

}  // namespace ringattn
