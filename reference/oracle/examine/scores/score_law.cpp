#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/fit/score_fit.h"
#include "reference/oracle/examine/fit/statistics.h"
#include "reference/oracle/examine/scores/score_explanation.h"

namespace ringattn {

namespace {

using enum FindingKind;

// ln of the weights, less the counts of the keys, where a weight is large enough to be measured
Matrix<double> measured_scores(const ExaminationState& state, const HeadReadout& head) {
  Matrix<double> y = Matrix<double>::Constant(head.rows(), head.keys(), not_known);
  const Matrix<double>& W = head.varied.found;
  for (Index i = 0; i < head.rows(); ++i) {
    const double limit = state.smallest_weight * W.row(i).maxCoeff();
    for (Index j = 0; j < head.keys(); ++j)
      if (head.judged(i, j) && W(i, j) > 0 && W(i, j) >= limit)
        y(i, j) = std::log(W(i, j)) - head.level(i, j);
  }
  return y;
}

// Keys that are read where all scores are equal, but not where theirs is low
void find_lost_low_scores(ExaminationState& state, HeadReadout& head) {
  constexpr double large = 100, few = 0.005;
  std::vector<Index> rows;
  Index live = 0, lost = 0;
  Finding finding{.kind = low_scores_lost};
  double &kept = finding.numbers["kept_keys"], &gap = finding.numbers["least_kept_difference"],
         &lost_gap = finding.numbers["greatest_lost_difference"];
  kept = -1, lost_gap = INFINITY;
  bool same_count = true;
  for (Index i = 0; i < head.rows(); ++i) {
    const double limit = large * state.smallest_weight * head.varied.right.row(i).maxCoeff();
    double top = -INFINITY, least_kept = INFINITY, greatest_lost = -INFINITY, count = 0, lost_here = 0;
    for (Index j = 0; j < head.keys(); ++j) {
      if (!head.judged(i, j) || !(head.varied.right(i, j) > limit)) continue;
      ++live, top = std::max(top, head.scores(i, j));
      if (head.varied.found(i, j) == 0)
        ++lost_here, greatest_lost = std::max(greatest_lost, head.scores(i, j));
      else
        ++count, least_kept = std::min(least_kept, head.scores(i, j));
    }
    if (lost_here == 0) continue;
    lost += static_cast<Index>(lost_here), rows.push_back(i);
    gap = std::max(gap, top - least_kept), lost_gap = std::min(lost_gap, top - greatest_lost);
    if (least_kept < greatest_lost) finding.subject = "any score";
    same_count &= kept < 0 || kept == count;
    kept = count;
  }
  if (lost == 0 || static_cast<double>(lost) <= few * static_cast<double>(live)) return;
  if (!same_count) finding.numbers.erase("kept_keys");
  if (!(gap <= lost_gap))
    finding.numbers.erase("least_kept_difference"), finding.numbers.erase("greatest_lost_difference");
  finding.numbers["greatest_pairs"] = static_cast<double>(lost);
  state.findings.add(head.b, head.h, rows, finding);
  head.unexplained = true;
}

// ---- Rows that follow the right scores --------------------------------------------

bool follows(const Matrix<double>& y, const Matrix<double>& scores, Index i, double limit) {
  return largest_magnitude(centred(y.row(i) - scores.row(i))) <= limit;
}

// Without the rows that follow the right scores: these would hide what the others do
Matrix<double> wrong_rows_of(const Matrix<double>& y, const Matrix<double>& right, double limit) {
  Matrix<double> wrong = y;
  for (Index i = 0; i < y.rows(); ++i)
    if (follows(y, right, i, limit)) wrong.row(i).setConstant(not_known);
  return wrong;
}

// The rows that an explanation is about: all, if it holds for all; otherwise the wrong rows, and those between them for
// which it holds as well
std::vector<Index> rows_of(const Matrix<double>& y, const Matrix<double>& wrong,
                           const ScoreExplanation& explanation, double limit) {
  std::vector<Index> rows, holds, not_right;
  for (Index i = 0; i < y.rows(); ++i) {
    const bool is_wrong = !known(wrong.row(i)).empty();
    if (is_wrong) rows.push_back(i);
    if (is_wrong || (explanation.scores.size() > 0 && follows(y, explanation.scores, i, limit)))
      holds.push_back(i);
    if (is_wrong || known(y.row(i)).size() < 2) not_right.push_back(i);
  }
  for (const std::vector<Index>* candidates : {&holds, &not_right})
    if (static_cast<Index>(candidates->size()) == y.rows()) return *candidates;
  std::erase_if(holds, [&](Index i) { return i < rows.front() || i > rows.back(); });
  return holds;
}

ScoreExplanation explain(const MeasuredScores& measured) {
  using Test = MaybeExplanation (*)(const MeasuredScores&);
  constexpr Test tests[] = {scale_of_blocks,
                            other_keys,
                            scale_of_head,
                            without_softcap,
                            scale_under_softcap,
                            other_head,
                            exchanged_queries_and_keys,
                            other_operands,
                            other_block,
                            other_keys,
                            other_key_or_row,
                            rows_of_queries,
                            mixture,
                            normalised_vectors,
                            scale_of_rows,
                            channels_of_scores,
                            rotated_vectors,
                            shifted_queries,
                            curve_of_scores};
  // Scores that are right in most pairs, and leave no steps between blocks, are kept for the case that nothing else
  // holds
  MaybeExplanation partial;
  for (const Test test : tests) {
    MaybeExplanation explanation = test(measured);
    if (!explanation) continue;
    const bool complete =
        !explanation->up_to_blocks ||
        largest_magnitude(centred(measured.y - explanation->scores)) <= 2.6 * measured.state.tolerance ||
        has_steps_between_blocks(measured, explanation->scores);
    if (complete) return *explanation;
    if (!partial) partial = explanation;
  }
  return partial ? *partial
                 : ScoreExplanation{.findings = {{.kind = scores_unexplained}}, .closes_rows = true};
}

}  // namespace

bool find_score_law(ExaminationState& state) {
  std::vector<Index> by_owner;
  for (int device = 0; device < state.sharding.devices(); ++device)
    for (const Index j : state.sharding.keys.rows_of(device)) by_owner.push_back(j);

  std::vector<MeasuredScores> with_steps;
  std::vector<RowSource> sources;
  for (HeadReadout& head : state.heads) {
    find_lost_low_scores(state, head);
    const Matrix<double> y = measured_scores(state, head);
    const double limit = 2.3 * state.tolerance;
    MeasuredScores measured{state, head, wrong_rows_of(y, head.scores, limit), by_owner, {}};
    if (known(measured.y).empty()) continue;
    ScoreExplanation explanation = explain(measured);
    measured.rows = explanation.rows.empty() ? rows_of(y, measured.y, explanation, limit) : explanation.rows;
    for (Finding& finding : explanation.findings) {
      if (finding.kind == scale && static_cast<Index>(measured.rows.size()) == head.rows())
        head.scale_factor = finding.numbers["factor"];
      state.findings.add(head.b, head.h, measured.rows, finding);
    }
    sources.insert(sources.end(), explanation.sources.begin(), explanation.sources.end());
    if (explanation.scores.size() > 0)
      for (const Index i : measured.rows) head.used.row(i) = explanation.scores.row(i);
    if (explanation.closes_rows) {
      for (const Index i : measured.rows) head.open[static_cast<std::size_t>(i)] = false;
      head.unexplained = true;
    }
    if (explanation.up_to_blocks &&
        largest_magnitude(centred(measured.y - head.used)) > 2.6 * state.tolerance)
      with_steps.push_back(measured);
  }
  add_row_sources(state, scores_of_rows, sources);
  if (!with_steps.empty()) find_block_law(state, with_steps);
  return true;
}

}  // namespace ringattn
