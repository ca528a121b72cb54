#include "reference/definition/error/comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/definition/input/bad_input.h"

namespace ringattn {

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

// Sums of squares over one row or over the whole tensor; a long double has room for the square of every double
struct Norms {
  long double error = 0, magnitude = 0;

  void add(long double element_error, long double element_magnitude) {
    error += element_error * element_error;
    magnitude += element_magnitude * element_magnitude;
  }
  double ratio() const {
    return error == 0 ? 0 : static_cast<double>(std::sqrt(error) / std::sqrt(magnitude));
  }
};

// The error of a number, and of a weight of 0 to 1 of terms as large as the largest of the tensor, that loses its
// digits because it is near the smallest normal number of T; 2^20 is a generous number of such terms
template <class T>
double negligible_error(const Tensor<double>& magnitude) {
  double largest = 0;
  for (Index n = 0; n < magnitude.size(); ++n)
    if (std::isfinite(magnitude.data()[n])) largest = std::max(largest, magnitude.data()[n]);
  const auto smallest = static_cast<double>(std::numeric_limits<T>::min());
  return smallest + 0x1p20 * smallest * largest;
}

// |found - truth|, 0 if negligible; infinite unless that is a finite number
double error_of(double found, double truth, double negligible) {
  if (std::isinf(truth) && found == truth) return 0;
  const double error = std::abs(found - truth);
  if (!std::isfinite(error)) return infinite;
  return std::max(0.0, error - negligible);
}

}  // namespace

template <class T>
Comparison compare(const TensorView<const T>& found, const Tensor<double>& truth,
                   const Tensor<double>& magnitude) {
  require(found.shape == truth.shape() && truth.shape() == magnitude.shape(),
          "[compare] result, truth and magnitude must have the same shape; found ", found.shape, ", ",
          truth.shape(), " and ", magnitude.shape(), "; compare tensors of one problem");
  Comparison result;
  Norms whole;
  const double negligible = negligible_error<T>(magnitude);
  const Shape& shape = truth.shape();
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h) {
        // Accumulate the squares of one row
        Norms row;
        for (Index d = 0; d < shape.D; ++d) {
          const double error =
              error_of(static_cast<double>(found(b, s, h, d)), truth(b, s, h, d), negligible);
          // The lse of a row with no visible key is infinite, and so is its magnitude: count it as 0
          const double size = std::isinf(truth(b, s, h, d)) ? 0 : magnitude(b, s, h, d);
          row.add(error, size);
          result.max_abs_error = std::max(result.max_abs_error, error);
        }

        // Add the row to the whole, and keep the worst row
        whole.error += row.error;
        whole.magnitude += row.magnitude;
        if (row.ratio() > result.worst_row_error) {
          result.worst_row_error = row.ratio();
          result.worst_b = b, result.worst_s = s, result.worst_h = h;
        }
      }
  result.relative_error = whole.ratio();
  return result;
}

template Comparison compare(const TensorView<const float>&, const Tensor<double>&, const Tensor<double>&);
template Comparison compare(const TensorView<const double>&, const Tensor<double>&, const Tensor<double>&);

}  // namespace ringattn
