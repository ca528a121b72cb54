#include "reference/definition/softmax.h"

#include <cmath>

#include "reference/definition/minus_infinity.h"

namespace ringattn {

// For each row:
//   m = max_j S_j    l = sum_j exp(S_j - m)    P_j = exp(S_j - m) / l    lse = m + log l
// Subtracting m changes no quotient and keeps exp from overflowing.
template <class T>
Vector<T> softmax_rows(Matrix<T>& S) {
  Vector<T> lse(S.rows());
  for (Index i = 0; i < S.rows(); ++i) {
    const T m = S.cols() ? S.row(i).template maxCoeff<Eigen::PropagateNaN>() : minus_infinity<T>;
    if (m == minus_infinity<T>) {  // no visible key: -inf - (-inf) would be NaN
      S.row(i).setZero();
      lse(i) = m;
      continue;
    }
    for (Index j = 0; j < S.cols(); ++j) S(i, j) = std::exp(S(i, j) - m);
    const T l = S.row(i).sum();
    S.row(i) /= l;
    lse(i) = m + std::log(l);
  }
  return lse;
}

template Vector<float> softmax_rows(Matrix<float>&);
template Vector<double> softmax_rows(Matrix<double>&);

}  // namespace ringattn
