#include "reference/oracle/examine/scores/block_features.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <set>

#include "reference/oracle/examine/fit/statistics.h"

namespace ringattn {

namespace {

double log_sum(double x, double y) {
  const double greater = std::max(x, y);
  return greater == -INFINITY ? greater : greater + std::log(std::exp(x - greater) + std::exp(y - greater));
}

// The elements of the rows that see two blocks or more, each minus the mean of its row
Vector<double> flat(const Matrix<double>& values, const Matrix<double>& seen) {
  std::vector<double> result;
  for (Index i = 0; i < seen.rows(); ++i) {
    std::vector<double> row;
    for (Index n = 0; n < seen.cols(); ++n)
      if (!std::isnan(seen(i, n))) row.push_back(values(i, n));
    if (row.size() < 2) continue;
    double mean = 0;
    for (const double x : row) mean += x / static_cast<double>(row.size());
    for (const double x : row) result.push_back(x - mean);
  }
  return Eigen::Map<const Vector<double>>(result.data(), static_cast<Index>(result.size()));
}

struct Fit {
  Vector<double> weights;
  double largest_error, unexplained;  // residual; share of the variance
};

Fit fit(const std::vector<const Vector<double>*>& features, const Vector<double>& y) {
  Eigen::MatrixXd A(y.size(), static_cast<Index>(features.size()));
  for (Index n = 0; n < A.cols(); ++n) A.col(n) = *features[static_cast<std::size_t>(n)];
  const Vector<double> weights = A.colPivHouseholderQr().solve(y);
  const Vector<double> error = y - A * weights;
  return {weights, error.cwiseAbs().maxCoeff(), error.squaredNorm() / std::max(y.squaredNorm(), 1e-30)};
}

struct Feature {
  std::string name, order;
  Vector<double> values;
};

// The running maximum, the running lse and the number of the visit, in an order
void add_running(const BlockFeatures& f, const std::string& order_name, const Matrix<Index>& order,
                 std::vector<Feature>& features) {
  const Matrix<double> unknown = Matrix<double>::Constant(f.ln_factor.rows(), f.ln_factor.cols(), not_known);
  Matrix<double> maximum = unknown, lse = unknown, visits = unknown;
  for (Index i = 0; i < order.rows(); ++i) {
    double m = -INFINITY, l = -INFINITY, count = 0;
    for (Index t = 0; t < order.cols(); ++t) {
      const Index b = order(i, t);
      if (std::isnan(f.ln_factor(i, b))) continue;
      m = std::max(m, f.maximum(i, b)), l = log_sum(l, f.lse(i, b)), ++count;
      maximum(i, b) = m, lse(i, b) = l;
      visits(i, b) = std::max(count, 2.0);  // the first two visits are one merge
    }
  }
  features.push_back({"running maximum", order_name, flat(maximum, f.ln_factor)});
  features.push_back({"running lse", order_name, flat(lse, f.ln_factor)});
  features.push_back({"visits", order_name, flat(visits, f.ln_factor)});
}

std::vector<LawTerm> one_or_two_features(const BlockFeatures& f, const Vector<double>& y, double tolerance) {
  std::vector<Feature> features{{"lse", "", flat(f.lse, f.ln_factor)},
                                {"maximum", "", flat(f.maximum, f.ln_factor)},
                                {"mean", "", flat(f.mean, f.ln_factor)}};
  for (const auto& [name, order] : f.orders) add_running(f, name, order, features);

  const auto law = [&](const std::vector<const Feature*>& used) {
    std::vector<const Vector<double>*> values;
    for (const Feature* feature : used) values.push_back(&feature->values);
    const Fit found = fit(values, y);
    std::vector<LawTerm> terms;
    if (found.largest_error <= 3 * tolerance && found.unexplained < 0.02 &&
        (found.weights.array().abs() > 0.02).all())
      for (std::size_t n = 0; n < used.size(); ++n)
        terms.push_back({used[n]->name, used[n]->order, found.weights(static_cast<Index>(n))});
    return terms;
  };
  for (const Feature& feature : features)
    if (auto terms = law({&feature}); !terms.empty()) return terms;
  for (std::size_t n = 0; n < features.size(); ++n)
    for (std::size_t other = n + 1; other < features.size(); ++other)
      if (features[n].order.empty() || features[n].order == features[other].order)
        if (auto terms = law({&features[n], &features[other]}); !terms.empty()) return terms;
  return {};
}

// The factor exp(kept - maximum) of blocks whose maximum exceeds the one that is kept: that of the first block, until a
// block exceeds it by more than a threshold. The second term is this threshold, if it was reached
std::vector<LawTerm> kept_maximum_law(const BlockFeatures& f, const Vector<double>& y, double tolerance) {
  constexpr double never = INFINITY;
  for (const auto& [name, order] : f.orders) {
    // ln of the factors for a threshold, and how far the maxima exceed the one that is kept
    const auto of_threshold = [&, &order = order](double threshold, std::set<double>& excesses) {
      Matrix<double> ln = Matrix<double>::Zero(f.ln_factor.rows(), f.ln_factor.cols());
      for (Index i = 0; i < order.rows(); ++i) {
        double kept = -INFINITY;
        for (Index t = 0; t < order.cols(); ++t) {
          const Index b = order(i, t);
          if (std::isnan(f.ln_factor(i, b))) continue;
          const double excess = f.maximum(i, b) - kept;
          if (kept > -INFINITY && excess > 0) excesses.insert(excess);
          if (excess > threshold || kept == -INFINITY)
            kept = f.maximum(i, b);
          else
            ln(i, b) = -std::max(0.0, excess);
        }
      }
      return flat(ln, f.ln_factor);
    };
    std::set<double> thresholds;
    of_threshold(never, thresholds);
    thresholds.insert(never);
    for (auto threshold = thresholds.rbegin(); threshold != thresholds.rend(); ++threshold) {
      std::set<double> excesses;
      const Vector<double> factors = of_threshold(*threshold, excesses);
      if (!((y - factors).cwiseAbs().maxCoeff() <= 3 * tolerance) || excesses.empty()) continue;
      std::vector<LawTerm> terms{{"kept maximum", name, 1}};
      if (*threshold < never) terms.push_back({"threshold", name, *threshold});
      return terms;
    }
  }
  return {};
}

// What a merge does with the shares of what arrives and of what was there: each block is multiplied once as what
// arrives, and once at each later merge as a part of what was there
std::vector<LawTerm> merge_law(const BlockFeatures& f, double tolerance) {
  const Vector<double> y = flat(f.ln_factor + f.lse, f.ln_factor);
  for (const auto& [name, order] : f.orders) {
    const Matrix<double> zero = Matrix<double>::Zero(f.ln_factor.rows(), f.ln_factor.cols());
    Matrix<double> arriving = zero, before = zero, later_arriving = zero, later_before = zero;
    for (Index i = 0; i < order.rows(); ++i) {
      double l = -INFINITY;
      for (Index t = 0; t < order.cols(); ++t) {
        const Index b = order(i, t);
        if (std::isnan(f.ln_factor(i, b))) continue;
        const double merged = log_sum(l, f.lse(i, b));
        if (l != -INFINITY) arriving(i, b) = f.lse(i, b) - merged, before(i, b) = l - merged;
        l = merged;
      }
      double of_arriving = 0, of_before = 0;
      for (Index t = order.cols() - 1; t >= 0; --t) {
        const Index b = order(i, t);
        later_arriving(i, b) = of_arriving, later_before(i, b) = of_before;
        of_arriving += arriving(i, b), of_before += before(i, b);
      }
    }
    const Vector<double> features[] = {flat(arriving, f.ln_factor), flat(before, f.ln_factor),
                                       flat(later_arriving, f.ln_factor), flat(later_before, f.ln_factor)};
    const Fit found = fit({&features[0], &features[1], &features[2], &features[3]}, y);
    if (!(found.largest_error <= 4 * tolerance)) continue;
    std::vector<LawTerm> terms;
    for (Index n = 0; n < 4; ++n) terms.push_back({"merge", name, found.weights(n)});
    return terms;
  }
  return {};
}

}  // namespace

std::vector<LawTerm> block_law(const BlockFeatures& features, double tolerance) {
  const Vector<double> y = flat(features.ln_factor, features.ln_factor);
  if (y.size() < 8) return {};
  std::vector<LawTerm> law = one_or_two_features(features, y, tolerance);
  if (law.empty()) law = kept_maximum_law(features, y, tolerance);
  return law.empty() ? merge_law(features, tolerance) : law;
}

}  // namespace ringattn
