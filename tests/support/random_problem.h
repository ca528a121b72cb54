#pragma once

#include <string>

#include "reference/definition/owned_problem.h"
#include "reference/definition/random.h"
#include "tests/support/pair_tensor.h"

namespace ringattn {

// How large each axis of a problem is.
struct Extents {
  Index B = 1, Sq = 1, Skv = 1, Hq = 1, Hkv = 1, D = 1, Dv = 1;
};

// What random_problem may draw.
struct ProblemLimits {
  Index longest = 19;        // sequences have 1 .. longest rows; at least 4
  Index widest = 9;          // heads have 1 .. widest elements; at least 4
  bool pair_terms = false;   // a bias and a boolean mask now and then; the ring knows neither
  bool huge_logits = false;  // scores of a thousand and more now and then
};

// A problem with its tensors, and the terms that only the definition takes: bias and boolean mask. The numbers are
// normal, and multiples of 2^-16: the same in float and in double.
template <class T>
struct RandomProblem : OwnedProblem<T> {
  PairTensor<T> bias;
  PairTensor<bool> allowed;
  std::string positions_kind;

  Problem<T> problem() const;  // with bias and mask
  Extents extents() const;

  // One line for the message of a failing test
  std::string describe() const;

  // The same problem in another type
  template <class To>
  RandomProblem<To> as() const;
};

// Normal numbers, bottom-right positions, nothing masked
RandomProblem<double> normal_problem(Random& random, const Extents& extents);

// Everything is drawn: extents (Sq, Skv, D, Dv all different, so that a mix-up shows), positions
// (bottom-right, top-left, packed documents, arbitrary), causal, window, scale, soft-cap, and within _limits_
// the rest. Rows may be empty.
RandomProblem<double> random_problem(Random& random, const ProblemLimits& limits = {});

}  // namespace ringattn
