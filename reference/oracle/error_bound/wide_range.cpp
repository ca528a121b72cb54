#include "reference/oracle/error_bound/wide_range.h"

#include <algorithm>
#include <cmath>

namespace ringattn {

namespace {

bool extreme(double x) { return x != 0 && !(0x1p-100 <= std::abs(x) && std::abs(x) <= 0x1p100); }

bool has_extreme(const TensorView<const double>& tensor) {
  if (!tensor.data) return false;
  const Shape& shape = tensor.shape;
  for (Index b = 0; b < shape.B; ++b)
    for (Index s = 0; s < shape.S; ++s)
      for (Index h = 0; h < shape.H; ++h)
        for (Index d = 0; d < shape.D; ++d)
          if (extreme(tensor(b, s, h, d))) return true;
  return false;
}

double largest_norm(const TensorView<const double>& tensor) {
  double largest = 0;
  for (Index b = 0; b < tensor.shape.B; ++b)
    for (Index h = 0; h < tensor.shape.H; ++h)
      if (tensor.shape.S > 0) largest = std::max(largest, tensor.head(b, h).rowwise().norm().maxCoeff());
  return largest;
}

// Scores of a row between -44 and 44 give weights of at least exp(-88) = 2^-127, divided by the number of keys
bool may_have_tiny_weights(const Problem<double>& problem, const Roundings& u) {
  if (u.tiny_probability >= 0x1p-126) return false;
  const Scoring& scoring = problem.scoring;
  if (problem.bias || !scoring.alibi_slopes.empty()) return true;
  double largest =
      std::abs(scoring.scale(problem.Q.shape.D)) * largest_norm(problem.Q) * largest_norm(problem.K);
  if (scoring.softcap > 0) largest = std::min(largest, scoring.softcap);
  for (const double sink : scoring.sinks)
    if (sink != minus_infinity<double>) largest = std::max(largest, std::abs(sink));
  return !(largest < 44);
}

}  // namespace

bool needs_wide_range(const Problem<double>& problem, const Roundings& u,
                      const Cotangents<double>& cotangents) {
  return may_have_tiny_weights(problem, u) || extreme(problem.scoring.scale(problem.Q.shape.D)) ||
         has_extreme(problem.Q) || has_extreme(problem.K) || has_extreme(problem.V) ||
         has_extreme(cotangents.dout) || has_extreme(cotangents.dlse);
}

}  // namespace ringattn
