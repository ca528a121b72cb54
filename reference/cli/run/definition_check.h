#pragma once

#include <optional>
#include <stdexcept>

#include "reference/cli/args/owned_problem.h"
#include "reference/definition/comparison.h"

namespace ringattn::cli {

// A result held against the definition in float64.
struct CheckedTensor {
  const char* name;
  Comparison comparison;
  double tolerance;

  bool passed() const { return comparison.within(tolerance); }
};

struct DefinitionCheck {
  std::vector<CheckedTensor> tensors;  // out lse, and dq dk dv
  std::optional<Index> sampled_rows;   // so many query rows and keys were checked; none: all of them
  std::optional<double> full_seconds;  // how long full attention took, where all rows were checked

  bool passed() const;
};

// Checks all rows where that is quick; else the first, the last, those at the borders of the devices' shards,
// and random ones. Sampled keys are checked with the out and lse that were found, of which rows are checked
// as well. _weight_rounding_: the relative error of each P and dS that comes from storing it, where it is
// multiplied in another type than that of the arithmetic.
template <class T>
DefinitionCheck check_against_definition(const OwnedProblem<T>& inputs, const RingOptions& ring, const AttentionOutput<T>& found,
                                   const Gradients<T>* gradients, double weight_rounding = 0);

}  // namespace ringattn::cli
