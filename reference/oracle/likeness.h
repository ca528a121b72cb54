#pragma once

#include "reference/definition/tensor.h"

namespace ringattn {

// How near a result is to a candidate for what it is, in allowances: the worst element, and the root mean
// square over all. Rounding gives less than 1 and about 0.2.
struct Likeness {
  double worst = 0;
  double mean_square = 0;
  Index elements = 0;

  double rms() const;
  // Of two tensors together
  Likeness operator+(const Likeness& other) const;
};

// _allowance_ belongs to the truth. A candidate may be large where the truth is small, so a row is measured
// by its largest allowance, enlarged as much as the candidate is larger than the truth there. NaN in both is
// like; NaN in one is infinitely unlike, and so are infinities that differ.
Likeness likeness(const TensorView<const double>& found, const Tensor<double>& candidate,
                  const Tensor<double>& truth, const Tensor<double>& allowance);

}  // namespace ringattn
