#pragma once

#include <doctest/doctest.h>

#include <set>
#include <string>

#include "reference/oracle/check.h"
#include "reference/oracle/measured/key_sums.h"
#include "tests/oracle/emulated_kernel.h"
#include "tests/support/random_problem.h"

namespace ringattn {

// The result of a right kernel on a random problem, in which a test then plants a mistake: some rows of some heads of
// some sequences, in bf16 or f32.
struct RecordedResult {
  explicit RecordedResult(std::uint64_t seed);
  RecordedResult(const RecordedResult&) = delete;

  // A box of at least 6 rows of out
  Box random_box();

  // Calls change(b, i, h) for each row of a box
  template <class Change>
  void for_each_row(const Box& box, const Change& change) {
    for (const Index b : box.batches)
      for (const Index i : box.rows)
        for (const Index h : box.heads) change(b, i, h);
  }

  // out of one row with operands from other heads, or with another scale
  Vector<double> row_with(const Problem<double>& other, Index b, Index i, Index h) const;

  // The report without names
  Report report();

  Random random;
  RandomProblem<double> p;
  Kernel kernel;
  AttentionOutput<double> right, found;  // of the emulated kernel
  Gradients<double> right_gradients, gradients;
};

// The finding of that kind on a tensor; nullptr if there is none
const Finding* finding_on(const Report& report, const std::string& tensor, const std::string& kind);

// Checks that one finding explains all wrong rows of a tensor, that they lie in the box, and that its sentence contains
// a text
void check_finding(const Report& report, const std::string& tensor, const std::string& kind, const Box& box,
                   const std::string& says);

}  // namespace ringattn
