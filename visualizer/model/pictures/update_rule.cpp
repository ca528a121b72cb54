#include "visualizer/model/pictures/update_rule.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace ringattn::viz {

namespace {

constexpr double too_large = std::numeric_limits<double>::infinity(), masked = -too_large;

double sum_of_exp(const std::vector<double>& scores, double m, double largest) {
  double sum = 0;
  for (const double score : scores)
    if (score != masked) sum += std::exp(score - m);
  return sum > largest ? too_large : sum;
}

double maximum_of(const std::vector<double>& scores) {
  double maximum = masked;
  for (const double score : scores) maximum = std::max(maximum, score);
  return maximum;
}

bool is_bf16(double x) {
  const auto rounded = static_cast<float>(x);
  return static_cast<double>(rounded) == x &&
         (Eigen::numext::bit_cast<std::uint32_t>(rounded) & 0xFFFFu) == 0;
}

}  // namespace

double largest_number(std::string_view dtype) {
  return dtype == "f64" ? std::numeric_limits<double>::max()
                        : static_cast<double>(std::numeric_limits<float>::max());
}

bool agree(double a, double b, double score_magnitude) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (std::isinf(a) || std::isinf(b)) return a == b;
  return std::abs(a - b) <= (1e-4 + 1e-6 * score_magnitude) * std::max(std::abs(a), std::abs(b));
}

Update update_of(const RowUpdate& row, double largest) {
  // Merged states: the trace contains no scores, and the event defines the contribution
  const double merged = row.l_after - row.alpha * row.l_before;
  if (row.scores.empty()) return {UpdateRule::rescaled, row.alpha, merged, merged};

  const double maximum = std::max(row.m_before, maximum_of(row.scores));
  const bool all_masked = maximum_of(row.scores) == masked;
  const double added = all_masked ? 0 : sum_of_exp(row.scores, row.m_after, largest);
  const double rescaled = row.alpha * row.l_before + added, kept = row.l_before + added;
  const auto gives = [&](double l) {
    return agree(l > largest ? too_large : l, row.l_after, row.score_magnitude);
  };
  Update update{UpdateRule::unknown, row.alpha, added, added};
  if (row.m_after == 0 && std::isfinite(maximum) && std::abs(maximum) > 1e-3 && gives(rescaled))
    update.rule = UpdateRule::without_maximum;
  else if (gives(rescaled))
    update.rule = UpdateRule::rescaled;
  else if (gives(kept))
    update.rule = UpdateRule::not_rescaled, update.factor = 1;
  else if (all_masked && std::isnan(row.l_after))
    update.rule = UpdateRule::masked_as_visible, update.added = row.l_after;
  else if (is_bf16(row.l_after) && std::abs(rescaled - row.l_after) <= std::abs(rescaled) / 256)
    update.rule = UpdateRule::rounded_to_bf16;
  return update;
}

}  // namespace ringattn::viz
