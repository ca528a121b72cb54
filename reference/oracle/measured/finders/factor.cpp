#include "reference/oracle/measured/finders/factor.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ringattn {

namespace {

constexpr std::size_t least_rows_of_factor = 2;
constexpr double plain_factors[] = {0, 1, 2, 3, 4, 0.5, -1};

Vector<double> truth_of(const RecordedTensor& t, const ElementIndex& p) {
  return t.truth.head(p.b, p.h).row(p.s).transpose();
}

bool is_zero(const RecordedTensor& t, const ElementIndex& p, const std::vector<Index>& channels) {
  return std::all_of(channels.begin(), channels.end(),
                     [&](Index d) { return t.found(p.b, p.s, p.h, d) == 0; });
}

// The mean factor of some rows, weighted by their certainty. NaN and rows without a factor do not count
RowFactor mean_factor(const RecordedTensor& t, const WrongPart& part, const std::vector<std::size_t>& rows) {
  double sum = 0, weight = 0;
  for (const std::size_t n : rows) {
    const RowFactor row = factor_of_row(t, part.rows[n], part.channels);
    if (!std::isfinite(row.c) || !(row.uncertainty > 0)) continue;
    const double certainty = 1 / (row.uncertainty * row.uncertainty);
    sum += certainty * row.c, weight += certainty;
  }
  if (weight == 0) return {std::numeric_limits<double>::quiet_NaN(), 0};
  return {sum / weight, 1 / std::sqrt(weight)};
}

// Factors that programs apply by mistake, for a head dimension D
std::vector<double> usual_factors(Index D) {
  const auto d = static_cast<double>(D);
  std::vector<double> factors{std::sqrt(d), d, std::log(2.0), 1 / std::log(2.0)};
  for (int n = 2; n <= 64; ++n) factors.push_back(n);
  const std::size_t count = factors.size();
  for (std::size_t n = 0; n < count; ++n) factors.push_back(1 / factors[n]);
  for (const double factor : std::vector<double>(factors)) factors.push_back(-factor);
  factors.push_back(-1);
  return factors;
}

double rounded(const RowFactor& measured, Index D) {
  const double tolerance = std::max(3 * measured.uncertainty, 1e-9 * std::abs(measured.c));
  return usual_factor(measured.c, std::min(tolerance, 0.02 * std::abs(measured.c)), D);
}

Explanation explain(double factor) {
  const bool negated = factor == -1;
  return {"factor",
          negated ? "have the opposite sign" : "are " + number_text(factor) + " x the right values",
          negated
              ? "Change the sign."
              : "Look for a factor " + number_text(factor) + " that is applied once too often, or a factor " +
                    number_text(1 / factor) + " that is missing.",
          "",
          0,
          1000};
}

// Explains the rows that are a factor times the truth; returns their number
std::size_t explain_rows(const RecordedTensor& t, const WrongPart& part, const std::vector<std::size_t>& rows,
                         double factor, Explanations& explanations) {
  std::vector<std::size_t> members;
  for (const std::size_t n : rows)
    if (row_distance(t, part.rows[n], factor * truth_of(t, part.rows[n]), part.channels) <=
        largest_explained_error / 2)
      members.push_back(n);
  if (members.size() < std::min(least_rows_of_factor, rows.size()) || 2 * members.size() < rows.size())
    return 0;
  for (const std::size_t n : members) {
    explanations[n] = explain(factor);
    explanations[n]->evidence = evidence_of_agreement(t, part.rows[n], part.channels);
  }
  return members.size();
}

}  // namespace

double usual_factor(double measured, double tolerance, Index D) {
  double nearest = measured;
  for (const double factor : usual_factors(D))
    if (std::abs(factor - measured) <= tolerance) nearest = factor, tolerance = std::abs(factor - measured);
  return nearest;
}

double rounded_factor(double measured, double tolerance) {
  for (const double usual : plain_factors)
    if (std::abs(measured - usual) <= tolerance) return usual;
  return std::round(100 * measured) / 100;
}

bool is_usual_factor(double factor) {
  return std::find(std::begin(plain_factors), std::end(plain_factors), factor) != std::end(plain_factors);
}

RowFactor factor_of_row(const RecordedTensor& t, const ElementIndex& p, const std::vector<Index>& channels) {
  double products = 0, squares = 0, tolerance = 0;
  for (const Index d : channels) {
    const double x = t.found(p.b, p.s, p.h, d), y = t.truth(p.b, p.s, p.h, d);
    products += x * y, squares += y * y;
    tolerance = std::max(tolerance, t.tolerance(p.b, p.s, p.h, d));
  }
  if (!(squares > 0)) return {std::numeric_limits<double>::quiet_NaN(), 0};
  return {products / squares, tolerance / std::sqrt(squares)};
}

void find_factor(const RecordedTensor& t, const WrongPart& part, Explanations& explanations) {
  // Zeros, exact or to within rounding
  for (std::size_t n = 0; n < part.rows.size(); ++n) {
    const ElementIndex& row = part.rows[n];
    if (explanations[n] || t.name == "lse") continue;
    const bool exact = is_zero(t, row, part.channels);
    if (!exact && !(row_distance(t, row, Vector<double>::Zero(t.shape().D), part.channels) <= 1)) continue;
    explanations[n] = {"zeros",
                       exact ? "are 0" : "are 0 to within rounding",
                       "Were they written, and did they see a key?",
                       "",
                       0,
                       1};
    explanations[n]->exact = exact;
    explanations[n]->evidence = (exact ? 6 : 0) + evidence_of_agreement(t, row, part.channels);
  }
  if (part.channels.size() < least_channels) return;

  // One factor for all rows
  std::vector<std::size_t> all;
  for (const auto& [head, rows] : unexplained_rows(part, explanations))
    all.insert(all.end(), rows.begin(), rows.end());
  if (all.empty()) return;
  const Index D = t.shape().D;
  const RowFactor common = mean_factor(t, part, all);
  if (std::isfinite(common.c)) explain_rows(t, part, all, rounded(common, D), explanations);

  // One for each head
  for (const auto& [head, rows] : unexplained_rows(part, explanations)) {
    const RowFactor of_head = mean_factor(t, part, rows);
    if (std::isfinite(of_head.c)) explain_rows(t, part, rows, rounded(of_head, D), explanations);
  }
}

}  // namespace ringattn
