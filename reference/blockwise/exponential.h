#pragma once

#include "reference/definition/minus_infinity.h"
#include "reference/definition/tensor.h"

namespace ringattn {

// The result of Eigen's vectorised exponential for -infinity. It is 0 or a tiny positive number, depending on the
// processor: the polynomial clamps its argument.
template <class T>
T exp_of_minus_infinity() {
  static const T smallest = [] {
    Eigen::Array<T, 64, 1> x;
    x.setConstant(minus_infinity<T>);
    return x.exp().eval()(0);
  }();
  return smallest;
}

// x = exp(x - log_divisor), element by element. If exp underflows, the result is exactly 0, not the tiny number above.
// NaN stays NaN: Eigen's max, like std::max, returns its first argument if the comparison fails.
template <class Row>
void exponentiate(Row& x, typename Row::Scalar log_divisor) {
  using T = typename Row::Scalar;
  x = ((x - log_divisor).exp() - exp_of_minus_infinity<T>()).max(T(0));
}

}  // namespace ringattn
