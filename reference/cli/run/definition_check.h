#pragma once

#include <optional>
#include <stdexcept>

#include "reference/cli/args/make_problem.h"
#include "reference/definition/error/comparison.h"

namespace ringattn::cli {

// A result compared with the definition in float64.
struct CheckedTensor {
  const char* name;
  Comparison comparison;
  double tolerance;

  bool passed() const { return comparison.within(tolerance); }
};

struct DefinitionCheck {
  std::vector<CheckedTensor> tensors;  // out lse, and dq dk dv
  std::optional<Index> sampled_rows;   // number of query rows and keys checked; none: all of them
  std::optional<double> full_seconds;  // time of full attention, if all rows were checked

  bool passed() const;
};

// An upper bound of the memory that check_against_definition() takes, in bytes
double definition_check_memory(const Shape& q, const Shape& k, const Shape& v, bool backward);

// Checks all rows of small problems; of large ones the first, the last, those at shard boundaries, and random ones.
// The gradients of sampled keys need the out and lse of every row: those found by the ring are used, of which
// sampled rows are checked as well. _weight_rounding_: relative rounding error of P and dS, if they are rounded to
// the storage type before they are multiplied.
template <class T>
DefinitionCheck check_against_definition(const OwnedProblem<T>& inputs, const RingOptions& ring,
                                         const AttentionOutput<T>& found, const Gradients<T>* gradients,
                                         double weight_rounding = 0);

}  // namespace ringattn::cli
