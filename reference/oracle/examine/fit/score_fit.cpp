#include "reference/oracle/examine/fit/score_fit.h"

#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/fit/statistics.h"

namespace ringattn {

namespace {

constexpr std::size_t fewest_pairs = 8;
constexpr double two_roundings = 2.2;  // of the difference of two values with one tolerance each
constexpr double smallest_factor = 2e-3;

struct Pair {
  double dy, dx;
};

// The median of dy / dx, weighted by |dx|
double weighted_median(std::vector<Pair> pairs) {
  std::sort(pairs.begin(), pairs.end(),
            [](const Pair& a, const Pair& b) { return a.dy / a.dx < b.dy / b.dx; });
  double total = 0, sum = 0;
  for (const Pair& pair : pairs) total += std::abs(pair.dx);
  for (const Pair& pair : pairs)
    if ((sum += std::abs(pair.dx)) >= total / 2) return pair.dy / pair.dx;
  return 1;
}

}  // namespace

ScoreFit fit_scores(const Matrix<double>& y, const Matrix<double>& x, double tolerance) {
  // Differences of neighbours; small ones say little about the factor
  std::vector<Pair> all, large;
  std::vector<double> sizes;
  for (Index i = 0; i < y.rows(); ++i)
    for (Index j = 0; j + 1 < y.cols(); ++j)
      if (const Pair pair{y(i, j + 1) - y(i, j), x(i, j + 1) - x(i, j)};
          std::isfinite(pair.dy) && std::isfinite(pair.dx))
        all.push_back(pair), sizes.push_back(std::abs(pair.dx));
  const double limit = 0.3 * median(sizes);
  for (const Pair& pair : all)
    if (std::abs(pair.dx) > limit) large.push_back(pair);
  if (large.size() < fewest_pairs) return {};

  // Refine by least squares
  double s = weighted_median(large);
  const auto explained = [&](const Pair& pair) {
    return std::abs(pair.dy - s * pair.dx) <= two_roundings * tolerance;
  };
  for (int round = 0; round < 2; ++round) {
    double product = 0, square = 0;
    for (const Pair& pair : all)
      if (explained(pair)) product += pair.dy * pair.dx, square += pair.dx * pair.dx;
    const auto hits = std::count_if(large.begin(), large.end(), explained);
    if (static_cast<std::size_t>(hits) > fewest_pairs) s = product / square;
  }
  const auto hits = std::count_if(large.begin(), large.end(), explained);
  const double share = static_cast<double>(hits) / static_cast<double>(large.size());
  return {s, std::abs(s) > smallest_factor ? share : 0};
}

ScoreFit fit_scores(const Matrix<double>& y, const Matrix<double>& x, double tolerance,
                    const std::vector<Index>& keys) {
  const ScoreFit plain = fit_scores(y, x, tolerance);
  std::vector<Index> rows;
  for (Index i = 0; i < y.rows(); ++i) rows.push_back(i);
  const ScoreFit ordered = fit_scores(selected(y, rows, keys), selected(x, rows, keys), tolerance);
  return ordered.share > plain.share ? ordered : plain;
}

Matrix<double> selected(const Matrix<double>& x, const std::vector<Index>& rows,
                        const std::vector<Index>& keys) {
  Matrix<double> result(static_cast<Index>(rows.size()), static_cast<Index>(keys.size()));
  for (Index i = 0; i < result.rows(); ++i)
    for (Index j = 0; j < result.cols(); ++j)
      result(i, j) = x(rows[static_cast<std::size_t>(i)], keys[static_cast<std::size_t>(j)]);
  return result;
}

}  // namespace ringattn
