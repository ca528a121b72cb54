#include "reference/oracle/error_bound/wide_range.h"

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

}  // namespace

bool needs_wide_range(const Problem<double>& problem, const Cotangents<double>& cotangents) {
  return extreme(problem.scoring.scale(problem.Q.shape.D)) || has_extreme(problem.Q) ||
         has_extreme(problem.K) || has_extreme(problem.V) || has_extreme(cotangents.dout) ||
         has_extreme(cotangents.dlse);
}

}  // namespace ringattn
