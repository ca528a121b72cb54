#pragma once

#include <algorithm>
#include <functional>
#include <optional>

#include "reference/oracle/examine/examination.h"
#include "tests/oracle/verdict/emulated_kernel.h"

namespace ringattn {

// The precisions of the programs under test
inline constexpr Precision precisions[] = {Precision::f32, Precision::bf16};

// What a program under test computes for one head: out = weights V of one K/V head, and lse.
struct HeadResult {
  Matrix<double> weights;
  Vector<double> lse;
  Index value_batch = 0, value_head = 0;
};

// One program under test: a rule that gives the result of each head, with P and out rounded as declared. All extents
// differ, so that exchanged axes show; the devices have blocks of different lengths.
struct ExaminedRule {
  ExaminedAttention attention;

  explicit ExaminedRule(Precision precision = Precision::bf16, Index Sq = 37, Index Skv = 37);

  // The right result, to be changed by a rule
  HeadResult right(const Problem<double>& problem, Index b, Index h) const;

  // The weights exp(S - lse) and the lse of the scores S, -inf where a key is hidden
  static HeadResult of_scores(const Problem<double>& problem, Matrix<double> S, Index b, Index h);

  using Rule = std::function<HeadResult(const Problem<double>&, Index b, Index h)>;
  void set(const Rule& rule);

  // Another rule for the inputs, instead of rules for heads: the right attention of a changed problem
  using Change = std::function<void(Problem<double>&)>;
  void set_changed_problem(const Change& change);

  Examination examine() const { return ringattn::examine(attention); }
  int device_of_row(Index i) const;
  int device_of_key(Index j) const;

 private:
  AttentionOutput<double> rounded(AttentionOutput<double> result) const;
};

// The only finding of that kind; nothing if there are none or several
std::optional<Finding> only(const Examination& examination, FindingKind kind);

// The same, required to be the only finding of any kind
Finding the_only(const Examination& examination, FindingKind kind);

// The kinds of all findings, for messages of failed tests
std::string kinds_of(const Examination& examination);

// first, first + 1, ..., last
inline std::vector<Index> range(Index first, Index last) {
  std::vector<Index> rows;
  for (Index n = first; n <= last; ++n) rows.push_back(n);
  return rows;
}

// Whether a finding is about these rows, in each head that it names, and names one
inline bool all_have_rows(const Finding& finding, const std::vector<Index>& rows) {
  return !finding.where.empty() && std::all_of(finding.where.begin(), finding.where.end(),
                                               [&](const HeadRows& each) { return each.rows == rows; });
}

}  // namespace ringattn
