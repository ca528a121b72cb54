#pragma once

#include <algorithm>
#include <cmath>

#include "reference/definition/parallel/parallel_for.h"

namespace ringattn {

// The largest Euclidean norm of the rows of one head
template <class Rows>
double largest_row_norm_of_head(const Rows& rows) {
  double largest = 0;
  for (Index s = 0; s < rows.rows(); ++s) {
    const auto row = rows.row(s).template cast<double>();
    // The square of a float neither overflows nor vanishes in double
    if constexpr (std::is_same_v<typename Rows::Scalar, float>)
      largest = std::max(largest, std::sqrt(row.squaredNorm()));
    else
      largest = std::max(largest, row.stableNorm());
  }
  return largest;
}

// The largest Euclidean norm of a row (b, s, h); its squares neither overflow nor vanish
template <class T>
double largest_row_norm(const TensorView<const T>& tensor) {
  const Shape& shape = tensor.shape;
  std::vector<double> of_head(static_cast<std::size_t>(shape.B * shape.H));
  parallel_for(shape.B * shape.H, [&](Index n) {
    const StridedHead<const T> rows = tensor.head(n / shape.H, n % shape.H);
    double& largest = of_head[static_cast<std::size_t>(n)];
    // Contiguous elements are read as vectors
    if (tensor.strides.D == 1)
      largest = largest_row_norm_of_head(
          Head<const T>(rows.data(), shape.S, shape.D, Eigen::OuterStride<>(tensor.strides.S)));
    else
      largest = largest_row_norm_of_head(rows);
  });
  return of_head.empty() ? 0 : *std::max_element(of_head.begin(), of_head.end());
}

}  // namespace ringattn
