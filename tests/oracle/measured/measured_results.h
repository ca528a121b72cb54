#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "reference/oracle/check.h"
#include "reference/oracle/measured/key_sums.h"
#include "tests/oracle/verdict/emulated_kernel.h"
#include "tests/support/random_problem.h"

namespace ringattn {

// The result of a right kernel on a random problem, in which a test then plants a mistake: some rows of some heads of
// some sequences, in bf16 or f32.
struct RecordedResult {
  // _Dv_: 0 for 18 and more, which differs from the other extents
  explicit RecordedResult(std::uint64_t seed, Index Dv = 0);
  RecordedResult(const RecordedResult&) = delete;

  // Another mask, and the right results with it
  void set_causal(bool causal);

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

  // out and lse of one row with these weights of its keys beside the right ones: factor(j) e^score, hidden keys
  // included
  template <class Factor>
  void set_weights(Index b, Index i, Index h, const Factor& factor) {
    Tensor<double> Q;
    const Problem<double> one = one_head(p.problem(), b, right_operands(p.problem(), b, h), {i}, Q);
    const Matrix<double> S = capped_scores(one, 0, 0);
    const Vector<double> e = S.row(0).array().exp();
    double l = 0;
    Vector<double> O = Vector<double>::Zero(one.V.shape.D);
    for (Index j = 0; j < e.size(); ++j) {
      const bool sees = visible(one.q_positions.of(0)[0], one.kv_positions.of(0)[static_cast<std::size_t>(j)],
                                one.scoring.mask);
      const double weight = factor(j, sees) * e(j);
      l += weight, O += weight * one.V.head(0, 0).row(j).transpose();
    }
    found.out.head(b, h).row(i) = O / l;
    found.lse(b, i, h, 0) = std::log(l);
  }

  // The report without names
  Report report();

  Random random;
  RandomProblem<double> p;
  Kernel kernel;
  int devices = 1;
  Layout layout = Layout::contiguous;
  AttentionOutput<double> right, found;  // of the emulated kernel
  Gradients<double> right_gradients, gradients;
};

// The finding of that kind on a tensor; nullptr if there is none
const MeasuredFinding* finding_on(const Report& report, const std::string& tensor, const std::string& kind);

// How many of the wrong rows of some results the findings explain.
struct Coverage {
  Index wrong = 0, explained = 0;

  double share() const { return static_cast<double>(explained) / static_cast<double>(wrong); }
  Coverage& operator+=(const Coverage& other) {
    wrong += other.wrong, explained += other.explained;
    return *this;
  }
};

// Checks that the findings on the rows of a tensor are of one kind and lie in the box, and that their sentences
// contain a text. Returns how many rows they explain
Coverage check_finding(const Report& report, const std::string& tensor, const std::string& kind,
                       const Box& box, const std::string& says);

}  // namespace ringattn
