#include "reference/oracle/error_bound/distance.h"

#include <cmath>
#include <limits>

namespace ringattn {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double element_distance(double found, double candidate, double tolerance) {
  if (found == candidate || (std::isnan(found) && std::isnan(candidate))) return 0;
  const double ratio = std::abs(found - candidate) / tolerance;
  return ratio < infinity ? ratio : infinity;
}

// The largest finite size in a row
double size_of_row(const Tensor<double>& tensor, Index b, Index s, Index h) {
  double size = 0;
  for (Index d = 0; d < tensor.shape().D; ++d)
    if (std::isfinite(tensor(b, s, h, d))) size = std::max(size, std::abs(tensor(b, s, h, d)));
  return size;
}

}  // namespace

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
        const double truth_size = size_of_row(truth, b, s, h), size = size_of_row(candidate, b, s, h);
        const double larger = truth_size > 0 ? std::max(1.0, size / truth_size) : 1;
        const double row_tolerance = larger * size_of_row(tolerance, b, s, h);
        for (Index d = 0; d < shape.D; ++d) {
          const double ratio = element_distance(found(b, s, h, d), candidate(b, s, h, d), row_tolerance);
          result.worst = std::max(result.worst, ratio);
          sum += ratio * ratio;
        }
      }
  result.elements = shape.size();
  result.mean_square = result.elements == 0 ? 0 : sum / static_cast<double>(result.elements);
  return result;
}

}  // namespace ringattn
