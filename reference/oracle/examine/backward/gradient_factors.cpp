#include "reference/oracle/examine/backward/gradient_factors.h"

#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/fit/block_sources.h"
#include "reference/oracle/examine/fit/score_fit.h"
#include "reference/oracle/examine/fit/statistics.h"
#include "reference/oracle/examine/weights/visible_rules.h"

namespace ringattn {

using enum FindingKind;

bool within(const Matrix<double>& found, const Matrix<double>& wanted, const Matrix<double>& allowed) {
  return ((found - wanted).cwiseAbs().array() <= allowed.array()).all();
}

std::vector<Index> wrong_rows(const Matrix<double>& found, const Matrix<double>& right,
                              const Matrix<double>& allowed) {
  std::vector<Index> rows;
  for (Index i = 0; i < found.rows(); ++i)
    if (!within(found.row(i), right.row(i), allowed.row(i))) rows.push_back(i);
  return rows;
}

namespace {

// ---- Factors ---------------------------------------------------------------------

// The median of found / right over the larger half of the right elements of a block
double factor_of(const Matrix<double>& found, const Matrix<double>& right) {
  std::vector<double> sizes, ratios;
  for (Index n = 0; n < right.size(); ++n) sizes.push_back(std::abs(right.data()[n]));
  const double limit = median(sizes);
  for (Index n = 0; n < right.size(); ++n)
    if (std::abs(right.data()[n]) > limit) ratios.push_back(found.data()[n] / right.data()[n]);
  return median(ratios);
}

// found = factor x right; none if it is not
std::optional<double> only_factor(const Matrix<double>& found, const Matrix<double>& right,
                                  const Matrix<double>& allowed) {
  const double factor = factor_of(found, right);
  if (!within(found, factor * right, 1.5 * std::max(1.0, std::abs(factor)) * allowed)) return std::nullopt;
  return factor;
}

std::optional<Finding> whole_factor(const Matrix<double>& found, const Matrix<double>& right,
                                    const Matrix<double>& allowed, double tolerance) {
  if ((found.array() == 0).all()) return Finding{.kind = gradient_missing};
  const auto factor = only_factor(found, right, allowed);
  if (!factor || std::abs(*factor - 1) <= 2 * tolerance) return std::nullopt;
  return Finding{.kind = gradient_factor, .numbers = {{"factor", *factor}}};
}

struct RowsOfFactor {
  double factor;
  std::vector<Index> rows;
};

// The factor of each wrong row, by factor; empty: a row has no factor, most rows say little, or there are many factors
std::vector<RowsOfFactor> factors_of_rows(const Matrix<double>& found, const Matrix<double>& right,
                                          const Matrix<double>& allowed) {
  constexpr std::size_t most_factors = 3;
  constexpr Index enough_pairs = 3;
  std::vector<RowsOfFactor> factors;
  std::size_t clear = 0;
  const std::vector<Index> wrong = wrong_rows(found, right, allowed);
  for (const Index i : wrong) {
    const Matrix<double> of_found = found.row(i), of_right = right.row(i), slack = allowed.row(i);
    const bool zero = (of_found.array() == 0).all();
    const auto factor = zero ? std::optional(0.0) : only_factor(of_found, of_right, slack);
    if (!factor) return {};
    clear += (of_right.cwiseAbs().array() > 4 * slack.array()).count() >= enough_pairs;
    const auto same = std::find_if(factors.begin(), factors.end(), [&](const RowsOfFactor& each) {
      return std::abs(each.factor - *factor) <= 0.02 * std::abs(each.factor);
    });
    if (same == factors.end())
      factors.push_back({*factor, {i}});
    else
      same->rows.push_back(i);
  }
  return factors.size() > most_factors || 2 * clear <= wrong.size() ? std::vector<RowsOfFactor>() : factors;
}

// Rows or keys with a factor each
std::vector<Finding> factors_of_lines(const Matrix<double>& found, const Matrix<double>& right,
                                      const Matrix<double>& allowed) {
  std::vector<Finding> findings;
  for (const auto& [factor, rows] : factors_of_rows(found, right, allowed))
    findings.push_back(
        {.kind = gradient_row_factor, .numbers = {{"factor", factor}}, .indices = {{"rows", rows}}});
  if (!findings.empty()) return findings;
  for (const auto& [factor, keys] :
       factors_of_rows(found.transpose(), right.transpose(), allowed.transpose()))
    findings.push_back(
        {.kind = gradient_key_factor, .numbers = {{"factor", factor}}, .indices = {{"keys", keys}}});
  return findings;
}

// Each block of the ring has one factor: the findings by factor; empty: not so
std::vector<Finding> factors_of_blocks(const ExaminationState& state, const Matrix<double>& found,
                                       const Matrix<double>& right, const Matrix<double>& allowed) {
  std::map<double, std::vector<BlockValue>> by_factor;
  std::vector<BlockValue> all;
  for (const BlockRows& block : ring_blocks(state.sharding)) {
    const Matrix<double> of_right = selected(right, block.rows, block.keys);
    if (of_right.size() == 0) continue;
    const Matrix<double> of_found = selected(found, block.rows, block.keys);
    const Matrix<double> slack = selected(allowed, block.rows, block.keys);
    if ((of_right.array() == 0).all()) {
      if (!within(of_found, of_right, slack)) return {};
      continue;
    }
    const auto factor = only_factor(of_found, of_right, slack);
    if (!factor) return {};
    all.push_back({block.device, block.block, 1});
    const double rounded = std::round(*factor * 50) / 50 + 0.0;
    if (rounded != 1) by_factor[rounded].push_back({block.device, block.block, rounded});
  }
  std::vector<Finding> findings;
  for (const auto& [factor, blocks] : by_factor)
    findings.push_back({.kind = gradient_block_factors,
                        .numbers = {{"factor", factor}},
                        .blocks = blocks,
                        .relation = relation_of(blocks, all, state.sharding.devices())});
  return findings;
}

// Each block holds what belongs to the block of another owner, at a fixed distance
std::optional<Finding> shifted_blocks(const ExaminationState& state, const Matrix<double>& found,
                                      const Matrix<double>& right, const Matrix<double>& allowed) {
  const int P = state.sharding.devices();
  const std::vector<BlockRows> blocks = ring_blocks(state.sharding);
  for (int t = 1; t < P; ++t) {
    const bool holds = std::all_of(blocks.begin(), blocks.end(), [&](const BlockRows& block) {
      const std::vector<Index>& keys = state.sharding.keys.rows_of(static_cast<int>((block.block + t) % P));
      return keys.size() == block.keys.size() &&
             within(selected(found, block.rows, block.keys), selected(right, block.rows, keys),
                    selected(allowed, block.rows, keys));
    });
    if (holds) return Finding{.kind = gradient_blocks_moved, .numbers = {{"shift", t}, {"devices", P}}};
  }
  return std::nullopt;
}

}  // namespace

std::vector<Finding> common_findings(const ExaminationState& state, const Matrix<double>& found,
                                     const Matrix<double>& right, const Matrix<double>& allowed,
                                     double tolerance) {
  if (const auto finding = whole_factor(found, right, allowed, tolerance)) return {*finding};
  if (state.sharding.devices() > 1) {
    if (auto findings = factors_of_blocks(state, found, right, allowed); !findings.empty()) return findings;
    if (const auto finding = shifted_blocks(state, found, right, allowed)) return {*finding};
    if (const auto sources = block_sources(state.sharding, found, right, allowed))
      return {{.kind = values_of_other_block, .blocks = *sources}};
  }
  if (auto findings = factors_of_lines(found, right, allowed); !findings.empty()) return findings;
  if (const auto map = moved_keys(found, right, allowed))
    return {{.kind = gradient_keys_moved, .indices = {{"keys", map->keys}, {"sources", map->sources}}}};
  return {};
}

std::optional<KeyMap> moved_keys(const Matrix<double>& found, const Matrix<double>& right,
                                 const Matrix<double>& allowed) {
  constexpr std::size_t fewest = 3;
  KeyMap map;
  std::size_t moved = 0, not_zero = 0;
  std::vector<Index> distinct;
  for (Index j = 0; j < found.cols(); ++j) {
    if ((found.col(j).array() == 0).all()) continue;
    ++not_zero;
    Index source = j;
    if (!within(found.col(j), right.col(j), allowed.col(j)))
      (right.colwise() - found.col(j)).colwise().squaredNorm().minCoeff(&source);
    const bool clear =
        (found.col(j).cwiseAbs().array() > 4 * allowed.col(source).array()).count() >= 2 || source == j;
    if (!clear || !within(found.col(j), right.col(source), allowed.col(source))) continue;
    map.keys.push_back(j), map.sources.push_back(source);
    moved += source != j, distinct.push_back(source);
  }
  std::sort(distinct.begin(), distinct.end());
  const bool unique = std::unique(distinct.begin(), distinct.end()) == distinct.end();
  if (moved < fewest || 10 * map.keys.size() < 9 * not_zero || !unique) return std::nullopt;
  return map;
}

std::vector<Finding> mask_findings(const ExaminationState& state, const HeadGradients& head,
                                   const Matrix<bool>& read) {
  std::vector<Finding> findings =
      visible_findings({state.attention, state.sharding, state.heads(head.b, head.h), read});
  for (Finding& finding : findings) finding.backward = true;
  return findings;
}

Finding unexplained_gradient(const Matrix<double>& found, const Matrix<double>& right,
                             const Matrix<double>& allowed) {
  const auto wrong = static_cast<double>(((found - right).cwiseAbs().array() > allowed.array()).count());
  const auto rows = static_cast<double>(wrong_rows(found, right, allowed).size());
  return {.kind = gradient_unexplained,
          .numbers = {{"greatest_share", wrong / std::max(1.0, rows * static_cast<double>(found.cols()))}}};
}

}  // namespace ringattn
