#include "reference/blockwise/feed_forward.h"

#include <algorithm>
#include <cmath>

#include "reference/definition/bad_input.h"

namespace ringattn {

namespace {

// gelu(x) = x Phi(x), Phi the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415)
template <class T>
T gelu(T x) {
  return x / 2 * std::erfc(-x / std::sqrt(T(2)));
}

template <class T>
Matrix<T> apply_to(const Eigen::Ref<const Matrix<T>>& X, const FeedForward<T>& layer) {
  Matrix<T> hidden = X * layer.W1;
  hidden.rowwise() += layer.b1.transpose();
  hidden = hidden.unaryExpr(&gelu<T>);
  Matrix<T> Y = hidden * layer.W2;
  Y.rowwise() += layer.b2.transpose();
  return Y;
}

template <class T>
void check(const Matrix<T>& X, const FeedForward<T>& layer) {
  const Index D = X.cols(), hidden = layer.W1.cols();
  require(
      layer.W1.rows() == D && layer.W2.cols() == D && layer.W2.rows() == hidden &&
          layer.b1.size() == hidden && layer.b2.size() == D,
      "[feed_forward] W1, b1, W2, b2 must have the shapes (D, hidden), (hidden), (hidden, D), (D) with D = ",
      D, " as in x; found (", layer.W1.rows(), ", ", hidden, "), (", layer.b1.size(), "), (", layer.W2.rows(),
      ", ", layer.W2.cols(), "), (", layer.b2.size(), ")");
}

}  // namespace

template <class T>
Matrix<T> FeedForward<T>::apply(const Matrix<T>& X) const {
  check(X, *this);
  return apply_to<T>(X, *this);
}

template <class T>
Matrix<T> FeedForward<T>::apply_blockwise(const Matrix<T>& X, Index rows_per_block) const {
  check(X, *this);
  require(rows_per_block >= 1, "[feed_forward] a block must have at least one row; found ", rows_per_block);
  Matrix<T> Y(X.rows(), X.cols());
  for (Index begin = 0; begin < X.rows(); begin += rows_per_block) {
    const Index rows = std::min(rows_per_block, X.rows() - begin);
    Y.middleRows(begin, rows) = apply_to<T>(X.middleRows(begin, rows), *this);
  }
  return Y;
}

template struct FeedForward<float>;
template struct FeedForward<double>;

}  // namespace ringattn
