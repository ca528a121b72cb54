#include "reference/oracle/verdict/resolution.h"

#include <algorithm>
#include <cmath>

#include "reference/definition/error/digits.h"
#include "reference/definition/input/bad_input.h"
#include "reference/definition/minus_infinity.h"
#include "reference/oracle/verdict/tensor_verdict.h"

namespace ringattn {

namespace {

long double norm(const Tensor<double>& tensor, Index b, Index h) {
  return tensor.head(b, h).cast<long double>().norm();
}

}  // namespace

void require_weights(const BoundedAttention& bounded, const ImplementationPrecision& declared) {
  const Roundings u = roundings(declared);
  const Tensor<double>&lse = bounded.truth.lse, &tolerance = bounded.tolerance.lse;
  for (Index n = 0; n < lse.size(); ++n) {
    if (lse.data()[n] == minus_infinity<double>) continue;  // no visible key, no weight
    const double error = tolerance.data()[n] - (u.sum + u.lse_stored) * std::abs(lse.data()[n]);
    require(error <= 1, "[check] scores must be small enough for products in ", name(declared.implementation),
            " to resolve the weights; found scores whose rounding may change a weight by a factor e^", error,
            "; scale q and k down, choose a smaller softmax scale, hide keys by a bias of -inf, or declare "
            "more precise products");
  }
}

double note_limit(const std::string& tensor, const Tensor<double>& truth, const Tensor<double>& tolerance,
                  const Tensor<double>& magnitude, Dtype stored) {
  double limit = largest_note;
  for (Index b = 0; b < truth.shape().B; ++b)
    for (Index h = 0; h < truth.shape().H; ++h) {
      if (truth.shape().S == 0) continue;
      // Rows without terms are 0, or lse = -inf: nothing can round
      const auto has_terms = magnitude.head(b, h).array() != 0;
      const double largest =
          has_terms.select(truth.head(b, h).array().abs(), 0.0).maxCoeff<Eigen::PropagateNaN>();
      require(largest <= largest_number(stored), "[check] the numbers of a right ", tensor,
              " must be at most the largest number of ", name(stored), "; found ", largest, " in head ", h,
              "; scale the inputs down, or store ", tensor, " in a wider type");

      const long double allowed = norm(tolerance, b, h), size = norm(magnitude, b, h);
      require(
          size == 0 || 4 * allowed <= size, "[check] rounding must leave digits in a right ", tensor,
          "; found head ", h, ", where it may change the result by ", static_cast<double>(allowed / size),
          " of the sum of the magnitudes of its terms, so that no result could be called wrong; use smaller "
          "scores, more precise products, or numbers further from the smallest of their type");
      if (size > 0 && allowed > 0) limit = std::min(limit, static_cast<double>(size / (4 * allowed)));
    }
  return limit;
}

Index heads_like_zeros(const Tensor<double>& truth, const Tensor<double>& tolerance) {
  Index heads = 0;
  for (Index b = 0; b < truth.shape().B; ++b)
    for (Index h = 0; h < truth.shape().H; ++h) {
      const auto size = truth.head(b, h).array().abs();
      heads += (size > 0).any() && (size <= largest_note * tolerance.head(b, h).array()).all();
    }
  return heads;
}

}  // namespace ringattn
