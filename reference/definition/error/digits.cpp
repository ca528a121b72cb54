#include "reference/definition/error/digits.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/definition/error/rounding_bound.h"
#include "reference/definition/error/row_norm.h"
#include "reference/definition/input/bad_input.h"

namespace ringattn {

double largest_number(Dtype dtype) {
  return with_storage_type(dtype, []<class Storage>(std::type_identity<Storage>) {
    return static_cast<double>(std::numeric_limits<Storage>::max());
  });
}

namespace {

// At least 0
template <class T>
double largest_bias(const Problem<T>& problem) {
  double largest = 0;
  if (!problem.bias) return largest;
  for (Index b = 0; b < problem.Q.shape.B; ++b)
    for (Index h = 0; h < problem.Q.shape.H; ++h)
      for (Index i = 0; i < problem.Q.shape.S; ++i)
        for (Index j = 0; j < problem.K.shape.S; ++j)
          largest = std::max(largest, static_cast<double>(problem.bias(b, h, i, j)));
  return largest;
}

}  // namespace

template <class T>
void require_finite_results(const char* operation, const Problem<T>& problem, const Cotangents<T>& cotangents,
                            const LargestNumbers& largest) {
  const auto require_at_most = [&](double bound, double limit, const char* what, const char* tensors) {
    require(bound <= limit, "[", operation, "] ", what, " must stay below the largest number of its type, ",
            limit, "; found inputs for which it may reach ", bound, "; scale ", tensors, " down");
  };

  // Forward
  const double scale = std::abs(problem.scoring.scale(problem.Q.shape.D)), factor = std::max(1.0, scale);
  const auto queries =
      static_cast<double>(problem.Q.shape.S * (problem.K.shape.H ? problem.query_heads_per_kv_head() : 1));
  const double q = largest_row_norm<T>(problem.Q), k = largest_row_norm<T>(problem.K),
               v = largest_row_norm<T>(problem.V);
  require_at_most(std::max({q, k, v}), largest.operand, "an operand of a matrix product", "q, k or v");
  require_at_most(factor * q * k + largest_bias(problem), largest.sum, "a score",
                  "q, k, the softmax scale or the bias");
  const double dropped = problem.dropout ? problem.dropout.scale() : 1;
  require_at_most(static_cast<double>(problem.K.shape.S) * v * dropped, largest.sum,
                  "the sum of the weighted values, before it is divided by the sum of the weights,", "v");
  if (!cotangents.dout.data) return;

  // Backward
  double dlse = 0;
  if (cotangents.dlse.data) dlse = largest_row_norm<T>(cotangents.dlse);
  const double o = largest_row_norm<T>(cotangents.dout), W = 2 * o * v * dropped + dlse;
  require_at_most(std::max(o, W), std::min(largest.operand, largest.sum), "the gradient of a score",
                  "dout, dlse or v");
  require_at_most(factor * W * std::max(k, queries * q), largest.sum, "a gradient of q or k",
                  "dout, dlse, v, q or k");
  require_at_most(queries * o * dropped, largest.sum, "a gradient of v", "dout");
}

template <class T>
void require_digits(const char* operation, const Problem<T>& problem, const Cotangents<T>& cotangents,
                    Dtype dtype) {
  constexpr double most = 1.0 / 16;
  const Dtype arithmetic = dtype == Dtype::f64 ? Dtype::f64 : Dtype::f32;
  const double error = rounding_bound(problem, dtype).lse;
  require(error <= most, "[", operation, "] scores must be small enough for ",
          arithmetic == Dtype::f64 ? "float64" : "float32",
          " to resolve the weights; found scores whose rounding may change a weight by a factor e^", error,
          "; scale q and k down, or choose a smaller softmax scale");
  require_finite_results(operation, problem, cotangents,
                         {largest_number(arithmetic), largest_number(arithmetic)});
}

template void require_finite_results(const char*, const Problem<float>&, const Cotangents<float>&,
                                     const LargestNumbers&);
template void require_finite_results(const char*, const Problem<double>&, const Cotangents<double>&,
                                     const LargestNumbers&);
template void require_digits(const char*, const Problem<float>&, const Cotangents<float>&, Dtype);
template void require_digits(const char*, const Problem<double>&, const Cotangents<double>&, Dtype);

}  // namespace ringattn
