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
  if (state.sharding.devices() == 1) return {};
  if (auto findings = factors_of_blocks(state, found, right, allowed); !findings.empty()) return findings;
  if (const auto finding = shifted_blocks(state, found, right, allowed)) return {*finding};
  if (const auto sources = block_sources(state.sharding, found, right, allowed))
    return {{.kind = values_of_other_block, .blocks = *sources}};
  return {};
}

std::optional<Finding> sum_of_heads(const ExaminationState& state, const GradientReadout& readout,
                                    const HeadGradients& head, const Matrix<double>& found,
                                    Matrix<double> HeadGradients::*right,
                                    Matrix<double> HeadGradients::*allowed) {
  const Index group = state.attention.q.H / state.attention.k.H;
  for (Index other = head.h % group; other < state.attention.q.H; other += group) {
    if (other == head.h) continue;
    const HeadGradients& source = readout.heads(head.b, other);
    const Matrix<double> slack = head.*allowed + source.*allowed;
    const bool alone = within(found, source.*right, slack);
    if (!alone && !within(found, source.*right + head.*right, slack)) continue;
    return Finding{.kind = gradient_of_heads,
                   .numbers = {{"head", static_cast<double>(other)}},
                   .subject = alone ? "alone" : ""};
  }
  return std::nullopt;
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
  const auto wrong = ((found - right).cwiseAbs().array() > allowed.array()).count();
  return {.kind = gradient_unexplained,
          .numbers = {{"greatest_share", static_cast<double>(wrong) / static_cast<double>(found.size())}}};
}

}  // namespace ringattn
