#include "reference/oracle/error_bound/distance.h"

#include <cmath>
#include <limits>

namespace ringattn {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

bool equal_or_both_nan(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// The largest finite magnitude in a row
double row_magnitude(const Tensor<double>& tensor, Index b, Index s, Index h) {
  double largest = 0;
  for (Index d = 0; d < tensor.shape().D; ++d)
    if (std::isfinite(tensor(b, s, h, d))) largest = std::max(largest, std::abs(tensor(b, s, h, d)));
  return largest;
}

}  // namespace

double error_in_tolerances(double found, double expected, double tolerance) {
  if (found == expected) return 0;
  const double ratio = std::abs(found - expected) / tolerance;
  return ratio < infinity && tolerance < infinity ? ratio : infinity;  // false for NaN
}

double Distance::rms() const { return elements == 0 ? 0 : std::sqrt(mean_square); }

Distance Distance::operator+(const Distance& other) const {
  const auto n = static_cast<double>(elements), m = static_cast<double>(other.elements);
  if (elements + other.elements == 0) return {};
  return {std::max(worst, other.worst), (n * mean_square + m * other.mean_square) / (n + m),
          elements + other.elements};
}

Distance measure_distance(const TensorView<const double>& found, const Tensor<double>& candidate,
                          const Tensor<double>& truth, const Tensor<double>& tolerance) {
  const Shape& shape = truth.shape();
  Distance result;
  double sum = 0;
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h) {
        // One tolerance for the row, enlarged where the candidate is larger than the truth
        const double truth_size = row_magnitude(truth, b, s, h), size = row_magnitude(candidate, b, s, h);
        const double larger = truth_size > 0 ? std::max(1.0, size / truth_size) : 1;
        const double row_tolerance = larger * row_magnitude(tolerance, b, s, h);
        for (Index d = 0; d < shape.D; ++d) {
          const double x = found(b, s, h, d), y = candidate(b, s, h, d);
          if (!std::isfinite(x) && x != truth(b, s, h, d) && equal_or_both_nan(x, y)) continue;
          const double ratio = error_in_tolerances(x, y, row_tolerance);
          result.worst = std::max(result.worst, ratio);
          sum += ratio * ratio;
          ++result.elements;
        }
      }
  if (result.elements > 0) result.mean_square = sum / static_cast<double>(result.elements);
  if (result.elements == 0 && shape.size() > 0) result = {infinity, infinity, shape.size()};
  return result;
}

}  // namespace ringattn
