#pragma once

#include <string>

#include "reference/definition/input/owned_problem.h"
#include "reference/definition/random.h"

namespace ringattn {

// The extents of a problem.
struct Extents {
  Index B = 1, Sq = 1, Skv = 1, Hq = 1, Hkv = 1, D = 1, Dv = 1;
};

// The range of random_problem().
struct ProblemLimits {
  Index longest = 19;        // sequences have 1 .. longest rows; at least 4
  Index widest = 9;          // heads have 1 .. widest elements; at least 4
  bool pair_terms = false;   // sometimes a bias or a boolean mask, which the ring does not support
  bool head_terms = false;   // sometimes a number of each query head: sinks, slopes of ALiBi
  bool huge_logits = false;  // sometimes scores of a thousand and more
};

// A problem with its tensors. The numbers are normal, and multiples of 2^-16: the same in float and in double.
template <class T>
struct RandomProblem : OwnedProblem<T> {
  std::string positions_kind;

  Extents extents() const;

  // One line for the message of a failed test
  std::string describe() const;

  // The same problem with another element type
  template <class To>
  RandomProblem<To> as() const;
};

// Normal numbers, bottom-right positions, no mask
RandomProblem<double> normal_problem(Random& random, const Extents& extents);

// Everything is random: extents (Sq, Skv, D and Dv all different, so that swapped axes are detected), positions
// (bottom-right, top-left, packed documents, arbitrary), causal, window, scale, soft-cap, and the rest within _limits_.
// Some rows may have no visible key.
RandomProblem<double> random_problem(Random& random, const ProblemLimits& limits = {});

}  // namespace ringattn
