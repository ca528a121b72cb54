// Scores of another form: mixtures, normalised vectors, weighted channels, and free functions of scale q.k.

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "reference/oracle/examine/fit/score_fit.h"
#include "reference/oracle/examine/fit/statistics.h"
#include "reference/oracle/examine/scores/score_explanation.h"

namespace ringattn {

namespace {

using enum FindingKind;

// The known pairs of up to 32 rows that have most of them. y and each feature are taken minus their mean over the row,
// since a row has a constant of its own.
class KnownPairs {
 public:
  explicit KnownPairs(const Matrix<double>& y) : y_(y) {
    std::vector<std::pair<std::size_t, Index>> by_count;
    for (Index i = 0; i < y.rows(); ++i) by_count.emplace_back(known(y.row(i)).size(), i);
    std::stable_sort(by_count.begin(), by_count.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    constexpr std::size_t most_rows = 32;
    for (std::size_t n = 0; n < std::min(most_rows, by_count.size()); ++n)
      if (by_count[n].first > 1)
        rows_.push_back(by_count[n].second), pairs_ += static_cast<Index>(by_count[n].first);
  }

  Index size() const { return pairs_; }

  Vector<double> operator()(const Matrix<double>& x) const {
    Vector<double> values(pairs_);
    Index n = 0;
    for (const Index i : rows_) {
      const Index begin = n;
      for (Index j = 0; j < y_.cols(); ++j)
        if (!std::isnan(y_(i, j))) values(n++) = x(i, j);
      values.segment(begin, n - begin).array() -= values.segment(begin, n - begin).mean();
    }
    return values;
  }

 private:
  const Matrix<double>& y_;
  std::vector<Index> rows_;
  Index pairs_ = 0;
};

struct LeastSquares {
  Vector<double> weights, residual;
};

LeastSquares least_squares(const std::vector<Vector<double>>& features, const Vector<double>& y) {
  Eigen::MatrixXd A(y.size(), static_cast<Index>(features.size()));
  for (Index n = 0; n < A.cols(); ++n) A.col(n) = features[static_cast<std::size_t>(n)];
  const Vector<double> weights = A.colPivHouseholderQr().solve(y);
  return {weights, y - A * weights};
}

}  // namespace

namespace {

// The parameter for which y = form(parameter) + constant of the row fits best, if it fits within rounding
template <class Form>
std::optional<double> best_parameter(const MeasuredScores& m, const KnownPairs& pairs, const Form& form) {
  const Vector<double> y = pairs(m.y);
  const auto residual = [&](double parameter) {
    return Vector<double>(y - pairs(Matrix<double>(form(parameter))));
  };
  double best = 1, step = 1.12;
  for (double p = 0.03; p < 200; p *= step)
    if (residual(p).squaredNorm() < residual(best).squaredNorm()) best = p;
  for (; step > 1.0001; step = std::sqrt(step))
    for (const double p : {best * step, best / step})
      if (residual(p).squaredNorm() < residual(best).squaredNorm()) best = p;
  if (!(residual(best).cwiseAbs().maxCoeff() <= 4 * m.state.tolerance)) return std::nullopt;
  return best;
}

Matrix<double> capped_at(const Matrix<double>& scores, double c) {
  return scores.unaryExpr([c](double x) { return c * std::tanh(x / c); });
}

}  // namespace

// c tanh(factor x / c) with the right c
MaybeExplanation scale_under_softcap(const MeasuredScores& m) {
  const double c = m.state.attention.scoring.softcap;
  const KnownPairs pairs(m.y);
  if (c == 0 || pairs.size() < 80) return {};
  const auto form = [&](double factor) { return capped_at(factor * m.head.products, c); };
  const auto factor = best_parameter(m, pairs, form);
  if (!factor) return {};
  return ScoreExplanation{.findings = {{.kind = scale, .numbers = {{"factor", *factor}}}},
                          .scores = form(*factor)};
}

// weights = a (right) + b (even)
MaybeExplanation mixture(const MeasuredScores& m) {
  std::vector<double> right, even, found;
  for (Index n = 0; n < m.y.size(); ++n)
    if (!std::isnan(m.y.data()[n])) {
      right.push_back(m.head.varied.right.data()[n]), even.push_back(m.head.even.right.data()[n]);
      found.push_back(m.head.varied.found.data()[n]);
    }
  const auto as_vector = [](const std::vector<double>& v) {
    return Vector<double>(Eigen::Map<const Vector<double>>(v.data(), static_cast<Index>(v.size())));
  };
  const Vector<double> w = as_vector(found), p = as_vector(right), u = as_vector(even);
  const LeastSquares fit = least_squares({p, u}, w);
  if (!(fit.weights(1) > 0.01)) return {};
  const Vector<double> mixed = fit.weights(0) * p + fit.weights(1) * u;
  if (!((w.array() / mixed.array()).log().abs() < 3 * m.state.tolerance).all()) return {};
  return ScoreExplanation{.findings = {{.kind = mixed_with_even,
                                        .numbers = {{"right", fit.weights(0)}, {"even", fit.weights(1)}}}},
                          .closes_rows = true};
}

// q or k is divided by its length first
MaybeExplanation normalised_vectors(const MeasuredScores& m) {
  const ExaminedAttention& a = m.state.attention;
  const QueriesAndKeys& inputs = m.state.varied_inputs;
  const Vector<double> q = inputs.Q.head(m.head.b, m.head.h).rowwise().norm(),
                       k = inputs.K.head(m.head.b, a.kv_head(m.head.h)).rowwise().norm();
  const Vector<double> ones_q = Vector<double>::Ones(q.size()), ones_k = Vector<double>::Ones(k.size());
  for (const auto& [subject, of_q, of_k] :
       {std::tuple{"k", ones_q, k}, std::tuple{"q", q, ones_k}, std::tuple{"q and k", q, k}}) {
    const Matrix<double> scores = m.head.products.array() / (of_q * of_k.transpose()).array();
    const ScoreFit fit = fit_scores(m.y, scores, m.state.tolerance, m.by_owner);
    if (!(fit.share > 0.8)) continue;
    const double factor = fit.factor * a.scoring.scale(a.q.D);
    return ScoreExplanation{
        .findings = {{.kind = normalised, .numbers = {{"factor", factor}}, .subject = subject}},
        .scores = fit.factor * scores};
  }
  return {};
}

// Each row has a scale of its own
MaybeExplanation scale_of_rows(const MeasuredScores& m) {
  std::vector<Index> rows;
  std::vector<double> factors;
  Index measured = 0;
  Matrix<double> scores = m.head.scores;
  for (Index i = 0; i < m.y.rows(); ++i) {
    const Matrix<double> y = m.y.row(i);
    if (known(y).size() <= 12) continue;
    ++measured;
    const ScoreFit fit = fit_scores(y, m.head.scores.row(i), m.state.tolerance);
    if (fit.share > 0.85) rows.push_back(i), factors.push_back(fit.factor), scores.row(i) *= fit.factor;
  }
  if (measured <= 8 || 10 * static_cast<Index>(rows.size()) <= 9 * measured) return {};
  Finding finding{.kind = scale_by_row};
  for (std::size_t n = 0; n < 5; ++n) {
    const std::size_t at = n * (rows.size() - 1) / 4;
    finding.blocks.push_back({0, rows[at], factors[at]});
  }
  return ScoreExplanation{.findings = {finding}, .scores = scores};
}

// q.k with a weight for each channel
MaybeExplanation channels_of_scores(const MeasuredScores& m) {
  const ExaminedAttention& a = m.state.attention;
  const KnownPairs pairs(m.y);
  if (pairs.size() <= 2 * a.q.D) return {};
  const auto Q = m.state.varied_inputs.Q.head(m.head.b, m.head.h);
  const auto K = m.state.varied_inputs.K.head(m.head.b, a.kv_head(m.head.h));
  std::vector<Vector<double>> features;
  for (Index d = 0; d < a.q.D; ++d)
    features.push_back(pairs(Matrix<double>(a.scoring.scale(a.q.D) * (Q.col(d) * K.col(d).transpose()))));
  const LeastSquares fit = least_squares(features, pairs(m.y));
  if (!(fit.residual.cwiseAbs().maxCoeff() < 4 * m.state.tolerance)) return {};

  // Channels by their weight
  std::map<double, std::vector<Index>> by_weight;
  for (Index d = 0; d < a.q.D; ++d) by_weight[std::round(fit.weights(d) * 20) / 20 + 0.0].push_back(d);
  constexpr std::size_t most = 4;
  ScoreExplanation explanation;
  for (const auto& [weight, channels] : by_weight)
    if (weight != 1 && by_weight.size() <= most)
      explanation.findings.push_back(
          {.kind = score_channels, .numbers = {{"weight", weight}}, .indices = {{"channels", channels}}});
  if (explanation.findings.empty())
    explanation.findings = {
        {.kind = score_channels,
         .numbers = {{"least_weight", fit.weights.minCoeff()}, {"greatest_weight", fit.weights.maxCoeff()}}}};
  explanation.scores = a.scoring.scale(a.q.D) * (Q * fit.weights.asDiagonal()) * K.transpose();
  return explanation;
}

namespace {

// y = f(x) + constant of the row, f piecewise linear with f(0) = 0.
struct Curve {
  std::vector<double> knots;
  Vector<double> values;
  double explained = 0;  // share of the variance

  double operator()(double x) const {
    const auto right = std::upper_bound(knots.begin(), knots.end(), x) - knots.begin();
    const auto n = std::clamp<std::ptrdiff_t>(right, 1, static_cast<std::ptrdiff_t>(knots.size()) - 1);
    const double x0 = knots[static_cast<std::size_t>(n - 1)], x1 = knots[static_cast<std::size_t>(n)];
    return values(n - 1) +
           (values(n) - values(n - 1)) * (std::clamp(x, knots.front(), knots.back()) - x0) / (x1 - x0);
  }
};

Curve fitted_curve(const Matrix<double>& y, const Matrix<double>& x, const KnownPairs& pairs) {
  // Knots: quantiles, and equal distances
  std::vector<double> sorted;
  for (Index n = 0; n < y.size(); ++n)
    if (!std::isnan(y.data()[n])) sorted.push_back(x.data()[n]);
  std::sort(sorted.begin(), sorted.end());
  Curve curve;
  const std::size_t last = sorted.size() - 1;
  for (std::size_t n = 0; n <= 24; ++n) curve.knots.push_back(sorted[n * last / 24]);
  for (int n = 0; n <= 11; ++n) curve.knots.push_back(sorted[0] + (sorted[last] - sorted[0]) * n / 11);
  std::sort(curve.knots.begin(), curve.knots.end());
  const auto close = [](double a, double b) { return b - a < 1e-6; };
  curve.knots.erase(std::unique(curve.knots.begin(), curve.knots.end(), close), curve.knots.end());

  // A hat function for each knot
  const Index count = static_cast<Index>(curve.knots.size());
  std::vector<Vector<double>> features;
  for (Index n = 0; n < count; ++n) {
    curve.values = Vector<double>::Unit(count, n);
    features.push_back(pairs(Matrix<double>(x.unaryExpr([&](double each) { return curve(each); }))));
  }
  const Vector<double> flat = pairs(y);
  const LeastSquares fit = least_squares(features, flat);
  curve.values = fit.weights;
  curve.values.array() -= curve(0);
  curve.explained = 1 - fit.residual.squaredNorm() / std::max(flat.squaredNorm(), 1e-30);
  return curve;
}

}  // namespace

MaybeExplanation curve_of_scores(const MeasuredScores& m) {
  const KnownPairs pairs(m.y);
  if (pairs.size() < 80) return {};
  if (const auto c = best_parameter(m, pairs, [&](double each) { return capped_at(m.head.products, each); }))
    return ScoreExplanation{
        .findings = {{.kind = score_curve, .numbers = {{"limit", *c}}, .subject = "tanh"}},
        .scores = capped_at(m.head.products, *c)};

  const Curve curve = fitted_curve(m.y, m.head.products, pairs);
  const Matrix<double> fitted = m.head.products.unaryExpr([&](double x) { return curve(x); });
  const std::vector<double> errors = known(centred(m.y - m.head.scores)), rest = known(centred(m.y - fitted));
  const auto sum_of_squares = [](const std::vector<double>& values) {
    return std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
  };
  const double square = sum_of_squares(errors);
  const bool is_noise = sum_of_squares(rest) > 0.5 * square;  // the curve does not explain the errors
  constexpr double largest_noise = 0.05;                      // of numbers of 8 bits
  const double noise = std::sqrt(square / static_cast<double>(errors.size()));
  if (is_noise && noise < largest_noise && curve.explained > 0.9 &&
      median(known((fitted - m.head.scores).cwiseAbs())) < 0.05)
    return ScoreExplanation{.findings = {{.kind = coarse_rounding, .numbers = {{"greatest_error", noise}}}},
                            .scores = m.head.scores,
                            .closes_rows = true};
  if (!(curve.explained > 0.995)) return {};
  Finding finding{.kind = score_curve};
  std::vector<double> x = known(m.head.products + 0 * m.y);
  std::sort(x.begin(), x.end());
  for (const double at : {-8.0, -4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0})
    if (at > x[x.size() / 20] && at < x[x.size() - 1 - x.size() / 20]) {
      const std::string place = std::to_string(static_cast<int>(at));
      finding.numbers["least_at_" + place] = finding.numbers["greatest_at_" + place] = curve(at);
    }
  return ScoreExplanation{.findings = {finding}, .scores = fitted, .closes_rows = true};
}

}  // namespace ringattn
