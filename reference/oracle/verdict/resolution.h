#pragma once

#include <string>

#include "reference/oracle/error_bound/error_bound.h"

namespace ringattn {

// Whether a case can tell right from wrong: rounding leaves no digits where scores are large, or where numbers are near
// the smallest ones of their type.

// An absolute error of a score is a relative error of its weight. Throws BadInput if rounding may change a weight by
// more than a factor e: if an error of lse that comes from the scores is larger than 1. Tolerances are of first order,
// so that they do not hold for larger errors, which may give the weight of a key to another one.
void require_weights(const BoundedAttention& bounded, const ImplementationPrecision& declared);

// The largest ratio that is a note: each element is off by at most so many tolerances. For the tolerances t and the
// magnitudes A of one head (Euclidean norms over its elements) it is
//   n = min(4, |A| / (4 |t|))
// so the error of a result that passes, or is a note, has a norm of at most n |t| <= |A| / 4. Hence every result that
// is wrong by more than a quarter of its magnitude fails: zeros, a wrong sign, exchanged rows or a constant, unless the
// terms of the right result cancel to less than that.
//
// That out lies in the convex hull of the visible values would be a weaker rule: zeros, the mean of V and the rows of
// other queries lie in it, too.
//
// Throws BadInput if n < 1 in a head, so that a right result need not pass, or if a right result has numbers beyond the
// largest one of its type.
double note_limit(const std::string& tensor, const Tensor<double>& truth, const Tensor<double>& tolerance,
                  const Tensor<double>& magnitude, Dtype stored);

// The number of heads, over all sequences, in which zeros are no failure although the right numbers are not zeros
Index heads_like_zeros(const Tensor<double>& truth, const Tensor<double>& tolerance);

}  // namespace ringattn
