// Rows of Q to which a vector was added.

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/fit/statistics.h"
#include "reference/oracle/examine/scores/score_explanation.h"

namespace ringattn {

namespace {

using enum FindingKind;

// Rows from _first_ to _last_ whose scores are those of q_i + w.
struct ShiftedRows {
  Index first, last;
  Eigen::VectorXd w;
};

// scale k_j of the keys of a head
Matrix<double> scaled_keys(const MeasuredScores& m) {
  const ExaminedAttention& a = m.state.attention;
  return a.scoring.scale(a.q.D) * m.state.varied_inputs.K.head(m.head.b, a.kv_head(m.head.h));
}

// Is y = scores + w . keys + constant in a row?
bool holds(const MeasuredScores& m, const Matrix<double>& keys, const Eigen::VectorXd& w, Index row) {
  const Matrix<double> error = m.y.row(row) - m.head.scores.row(row) - (keys * w).transpose();
  return largest_magnitude(centred(error)) <= 3 * m.state.tolerance;
}

// The w of rows first .. last, by least squares with one constant for each row
Eigen::VectorXd fitted(const MeasuredScores& m, const Matrix<double>& keys, Index first, Index last) {
  const Index D = keys.cols();
  std::vector<Eigen::VectorXd> rows;
  std::vector<double> errors;
  for (Index i = first; i <= last; ++i) {
    Eigen::VectorXd mean = Eigen::VectorXd::Zero(D);
    double mean_error = 0, n = 0;
    for (Index j = 0; j < keys.rows(); ++j)
      if (!std::isnan(m.y(i, j)))
        mean += keys.row(j).transpose(), mean_error += m.y(i, j) - m.head.scores(i, j), ++n;
    for (Index j = 0; j < keys.rows(); ++j)
      if (!std::isnan(m.y(i, j)))
        rows.emplace_back(keys.row(j).transpose() - mean / n),
            errors.push_back(m.y(i, j) - m.head.scores(i, j) - mean_error / n);
  }
  Eigen::MatrixXd A(static_cast<Index>(rows.size()), D);
  for (std::size_t n = 0; n < rows.size(); ++n) A.row(static_cast<Index>(n)) = rows[n];
  return A.colPivHouseholderQr().solve(Eigen::Map<Eigen::VectorXd>(errors.data(), A.rows()));
}

// The longest ranges of wrong rows with one w each; empty if a wrong row has none
std::vector<ShiftedRows> ranges_of(const MeasuredScores& m, const Matrix<double>& keys) {
  std::vector<ShiftedRows> ranges;
  const auto pairs = [&](Index i) { return static_cast<Index>(known(m.y.row(i)).size()); };
  for (Index i = 0; i < m.y.rows(); ++i) {
    if (pairs(i) == 0) continue;
    if (!ranges.empty() && ranges.back().last == i - 1 && holds(m, keys, ranges.back().w, i)) {
      ranges.back().last = i;
      continue;
    }
    if (2 * pairs(i) < 3 * keys.cols()) return {};
    const ShiftedRows range{i, i, fitted(m, keys, i, i)};
    if (!holds(m, keys, range.w, i)) return {};
    ranges.push_back(range);
  }
  for (ShiftedRows& range : ranges) {
    range.w = fitted(m, keys, range.first, range.last);
    for (Index i = range.first; i <= range.last; ++i)
      if (!holds(m, keys, range.w, i)) return {};
  }
  return ranges;
}

// w = of_own x (mean of q over the range) + of_first x (mean over the rows before the first range)
void find_means(const MeasuredScores& m, const Matrix<double>& keys, const std::vector<ShiftedRows>& ranges,
                Finding& finding) {
  const Matrix<double> Q = m.state.varied_inputs.Q.head(m.head.b, m.head.h);
  const auto mean = [&](Index first, Index end) {
    return Eigen::VectorXd(Q.middleRows(first, end - first).colwise().mean().transpose());
  };
  const Index before = ranges[0].first, D = Q.cols(), terms = before > 0 ? 2 : 1;
  Eigen::MatrixXd A(static_cast<Index>(ranges.size()) * D, terms);
  Eigen::VectorXd w(A.rows());
  for (std::size_t n = 0; n < ranges.size(); ++n) {
    const auto part = static_cast<Index>(n) * D;
    A.block(part, 0, D, 1) = mean(ranges[n].first, ranges[n].last + 1);
    if (before > 0) A.block(part, 1, D, 1) = mean(0, before);
    w.segment(part, D) = ranges[n].w;
  }
  const Eigen::VectorXd factors = A.colPivHouseholderQr().solve(w);
  for (std::size_t n = 0; n < ranges.size(); ++n) {
    const Eigen::VectorXd predicted = A.middleRows(static_cast<Index>(n) * D, D) * factors;
    for (Index i = ranges[n].first; i <= ranges[n].last; ++i)
      if (!holds(m, keys, predicted, i)) return;
  }
  finding.numbers["of_own"] = factors(0);
  if (before > 0) finding.numbers["of_first"] = factors(1);
}

}  // namespace

MaybeExplanation shifted_queries(const MeasuredScores& m) {
  constexpr std::size_t rows_of_range = 3;  // on average
  if (m.state.attention.scoring.softcap > 0) return {};
  const Matrix<double> keys = scaled_keys(m);
  const std::vector<ShiftedRows> ranges = ranges_of(m, keys);
  std::size_t rows = 0;
  for (const ShiftedRows& range : ranges) rows += static_cast<std::size_t>(range.last - range.first + 1);
  if (ranges.empty() || rows < rows_of_range * ranges.size()) return {};

  Finding finding{.kind = queries_shifted};
  ScoreExplanation explanation{.scores = m.head.scores};
  for (const ShiftedRows& range : ranges) {
    finding.indices["first_rows"].push_back(range.first), finding.indices["last_rows"].push_back(range.last);
    for (Index i = range.first; i <= range.last; ++i) {
      explanation.rows.push_back(i);
      explanation.scores.row(i) += (keys * range.w).transpose();
    }
  }
  find_means(m, keys, ranges, finding);
  explanation.findings = {finding};
  return explanation;
}

}  // namespace ringattn
