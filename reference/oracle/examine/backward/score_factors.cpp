// A dS that is P (dP - delta) times a function of the score: the right one is the derivative of the soft-cap,
// 1 - (s / cap)^2 of the capped score s, or 1 without a cap.

#include <algorithm>
#include <cmath>
#include <functional>

#include "reference/oracle/error_bound/median.h"
#include "reference/oracle/examine/backward/gradient_readout.h"

namespace ringattn {

namespace {

using enum FindingKind;

// The factor of one pair of a row and a key.
struct PairFactor {
  double score, factor, tolerance;
};

// Of pairs whose rounding is small; by score
std::vector<PairFactor> measured_factors(const GradientReadout& readout, const HeadGradients& head,
                                         const Matrix<double>& P, const Matrix<double>& dS) {
  const Matrix<double> base =
      head.scale_factor * P.array() * (head.right_dP.colwise() - head.right_delta).array();
  const Matrix<double> slack = allowed_dS_of(readout, head, P, base);
  std::vector<PairFactor> factors;
  for (Index n = 0; n < base.size(); ++n) {
    const double size = std::abs(base.data()[n]), of_pair = slack.data()[n];
    if (of_pair < 0.1 * size)
      factors.push_back({head.scores.data()[n], dS.data()[n] / base.data()[n], 1.5 * of_pair / size});
  }
  std::sort(factors.begin(), factors.end(),
            [](const PairFactor& x, const PairFactor& y) { return x.score < y.score; });
  return factors;
}

bool is(const std::vector<PairFactor>& factors, const std::function<double(double)>& of_score) {
  return std::all_of(factors.begin(), factors.end(), [&](const PairFactor& each) {
    const double wanted = of_score(each.score);
    return std::abs(each.factor - wanted) <= each.tolerance * std::max(1.0, std::abs(wanted));
  });
}

// Any smooth function: the factors of pairs that are neighbours in score agree
std::optional<Finding> smooth_factor(const std::vector<PairFactor>& factors) {
  constexpr std::size_t bins = 16;
  std::vector<double> scores, values;
  for (std::size_t n = 0; n < bins; ++n) {
    std::vector<double> of_score, of_factor;
    for (std::size_t k = n * factors.size() / bins; k < (n + 1) * factors.size() / bins; ++k)
      of_score.push_back(factors[k].score), of_factor.push_back(factors[k].factor);
    scores.push_back(median(of_score)), values.push_back(median(of_factor));
  }
  const auto value_at = [&](double x) {
    auto n = static_cast<std::size_t>(std::upper_bound(scores.begin(), scores.end(), x) - scores.begin());
    n = std::clamp<std::size_t>(n, 1, bins - 1);
    const double share = (x - scores[n - 1]) / std::max(scores[n] - scores[n - 1], 1e-9);
    return values[n - 1] + share * (values[n] - values[n - 1]);
  };
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  const double range = *greatest - *least;
  const auto near = std::count_if(factors.begin(), factors.end(), [&](const PairFactor& each) {
    return std::abs(each.factor - value_at(each.score)) <= each.tolerance + 0.05 * range;
  });
  const bool smooth = static_cast<double>(near) >= 0.97 * static_cast<double>(factors.size());
  if (!smooth || range < 0.1) return std::nullopt;
  Finding finding{.kind = gradient_score_factor};
  for (const double at : {-4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0})
    if (at > scores.front() && at < scores.back()) {
      const std::string place = std::to_string(static_cast<int>(at));
      finding.numbers["least_at_" + place] = finding.numbers["greatest_at_" + place] = value_at(at);
    }
  return finding;
}

}  // namespace

std::optional<Finding> score_factor_finding(const ExaminationState& state, const GradientReadout& readout,
                                            const HeadGradients& head, const Matrix<double>& P,
                                            const Matrix<double>& dS) {
  constexpr std::size_t enough_pairs = 80;
  const std::vector<PairFactor> factors = measured_factors(readout, head, P, dS);
  if (factors.size() < enough_pairs) return std::nullopt;
  const double c = state.attention.scoring.softcap;
  if (c > 0) {
    if (is(factors, [](double) { return 1.0; })) return Finding{.kind = softcap_derivative};
    const auto square = [](double x) { return x * x; };
    const std::pair<const char*, std::function<double(double)>> forms[] = {
        {"1 - s^2: s is not divided by the cap", [&](double s) { return 1 - square(s); }},
        {"1 - (x / cap)^2 of the score x before the cap",
         [&](double s) { return 1 - square(std::atanh(s / c)); }},
        {"1 - tanh(s / cap)^2: the cap is applied once more",
         [&](double s) { return 1 - square(std::tanh(s / c)); }},
        {"(1 - (s / cap)^2)^2: the derivative is applied twice",
         [&](double s) { return square(1 - square(s / c)); }}};
    for (const auto& [subject, form] : forms)
      if (is(factors, form)) return Finding{.kind = gradient_score_factor, .subject = subject};
  }
  return smooth_factor(factors);
}

}  // namespace ringattn
