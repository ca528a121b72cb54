#include "reference/definition/softmax.h"

#include <algorithm>
#include <cmath>

namespace ringattn {

// For each row:
//   m = max(max_j S_j, sink)    l = sum_j exp(S_j - m) + exp(sink - m)    P_j = exp(S_j - m) / l    lse = m + log l
// Subtracting m changes no quotient and keeps exp from overflowing.
template <class T>
Vector<T> softmax_rows(Matrix<T>& S, T sink) {
  Vector<T> lse(S.rows());
  for (Index i = 0; i < S.rows(); ++i) {
    const T m =
        std::max(S.cols() ? S.row(i).template maxCoeff<Eigen::PropagateNaN>() : minus_infinity<T>, sink);
    if (m == minus_infinity<T>) {  // no term: -inf - (-inf) would be NaN
      S.row(i).setZero();
      lse(i) = m;
      continue;
    }
    for (Index j = 0; j < S.cols(); ++j) S(i, j) = std::exp(S(i, j) - m);
    const T l = S.row(i).sum() + std::exp(sink - m);
    S.row(i) /= l;
    lse(i) = m + std::log(l);
  }
  return lse;
}

template Vector<float> softmax_rows(Matrix<float>&, float);
template Vector<double> softmax_rows(Matrix<double>&, double);

}  // namespace ringattn
