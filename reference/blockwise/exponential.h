#pragma once

#include <limits>

#include "reference/definition/tensor.h"
#include "reference/definition/minus_infinity.h"

namespace ringattn {

// What Eigen's vectorised exponential gives for -infinity: 0, or the tiny number at which it stops, as the
// processor has it
template <class T>
T exp_of_minus_infinity() {
  static const T smallest = [] {
    Eigen::Array<T, 64, 1> x;
    x.setConstant(minus_infinity<T>);
    return x.exp().eval()(0);
  }();
  return smallest;
}

// x = e^(x - log_divisor); a key so far below that its weight is no number gets 0, not that tiny number. NaN stays:
// Eigen's max, like std::max, keeps it in the first place
template <class Row>
void exponentiate(Row& x, typename Row::Scalar log_divisor) {
  using T = typename Row::Scalar;
  x = ((x - log_divisor).exp() - exp_of_minus_infinity<T>()).max(T(0));
}

}  // namespace ringattn
