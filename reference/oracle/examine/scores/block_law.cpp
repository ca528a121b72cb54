#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/fit/statistics.h"
#include "reference/oracle/examine/scores/block_features.h"
#include "reference/oracle/examine/scores/score_explanation.h"

namespace ringattn {

namespace {

using enum FindingKind;
using Parts = std::vector<std::vector<Index>>;

// ln of the weights less the scores that they follow, of each head
std::vector<Matrix<double>> errors_of(const std::vector<MeasuredScores>& heads) {
  std::vector<Matrix<double>> errors;
  for (const MeasuredScores& m : heads) errors.push_back(centred(m.y - m.head.used));
  return errors;
}

// Is the error of each row the same for all keys of a part?
bool constant_within(const Parts& parts, const std::vector<Matrix<double>>& errors, double limit) {
  for (const Matrix<double>& error : errors)
    for (Index i = 0; i < error.rows(); ++i)
      for (const std::vector<Index>& part : parts) {
        double least = INFINITY, greatest = -INFINITY;
        for (const Index j : part)
          if (!std::isnan(error(i, j)))
            least = std::min(least, error(i, j)), greatest = std::max(greatest, error(i, j));
        if (greatest - least >= limit) return false;
      }
  return true;
}

// Parts that begin where the error of any row makes a step
Parts parts_between_steps(const std::vector<Matrix<double>>& errors, double limit) {
  const Index keys = errors[0].cols();
  Parts parts{{0}};
  for (Index j = 1; j < keys; ++j) {
    const bool step = std::any_of(errors.begin(), errors.end(), [&](const Matrix<double>& error) {
      return ((error.col(j) - error.col(j - 1)).array().abs() > limit).any();
    });
    if (step) parts.emplace_back();
    parts.back().push_back(j);
  }
  return parts;
}

// The blocks of the devices, or parts between steps if these are few
std::pair<Parts, bool> parts_of(const ExaminationState& state, const std::vector<Matrix<double>>& errors) {
  const double limit = 4.5 * state.tolerance;
  Parts owners;
  for (int device = 0; device < state.sharding.devices(); ++device)
    owners.push_back(state.sharding.keys.rows_of(device));
  if (owners.size() > 1 && constant_within(owners, errors, limit)) return {owners, true};
  Parts parts = parts_between_steps(errors, limit);
  const auto most = static_cast<std::size_t>(errors[0].cols() / 4);
  if (parts.size() < 2 || parts.size() > most + 1 || !constant_within(parts, errors, limit)) return {};
  return {parts, false};
}

// ---- Features of the blocks ------------------------------------------------------

struct PartOfRow {
  double ln_factor = 0, lse = -INFINITY, maximum = -INFINITY, mean = 0;
};

PartOfRow part_of_row(const MeasuredScores& m, const Matrix<double>& error, Index i,
                      const std::vector<Index>& part) {
  PartOfRow result;
  double measured = 0, sum = 0;
  for (const Index j : part) {
    if (!std::isnan(error(i, j))) result.ln_factor += error(i, j), ++measured;
    if (m.head.even.found(i, j) > 0) result.maximum = std::max(result.maximum, m.head.used(i, j));
    result.mean += m.head.products(i, j) / static_cast<double>(part.size());
  }
  for (const Index j : part)
    if (m.head.even.found(i, j) > 0) sum += std::exp(m.head.used(i, j) - result.maximum);
  result.lse = result.maximum + std::log(sum);
  result.ln_factor = measured > 0 ? result.ln_factor / measured : not_known;
  return result;
}

// The parts in the order in which a device visits their owners; those of one owner from left to right
std::vector<Index> ring_order(const ExaminationState& state, Index device, const Parts& parts) {
  const Index P = state.sharding.devices();
  std::vector<Index> order;
  for (Index t = 0; t < static_cast<Index>(parts.size()); ++t) order.push_back(t);
  const auto step = [&](Index t) { return (device - state.device_of_key(parts[at(t)][0]) + P) % P; };
  std::stable_sort(order.begin(), order.end(), [&](Index x, Index y) { return step(x) < step(y); });
  return order;
}

BlockFeatures features_of(const ExaminationState& state, const std::vector<MeasuredScores>& heads,
                          const std::vector<Matrix<double>>& errors, const Parts& parts) {
  const Index rows_of_head = state.attention.q.S, rows = rows_of_head * static_cast<Index>(heads.size());
  const Index T = static_cast<Index>(parts.size());
  const Matrix<double> unknown = Matrix<double>::Constant(rows, T, not_known);
  BlockFeatures f{unknown, unknown, unknown, unknown, {}};
  Matrix<Index> left(rows, T), right(rows, T), ring(rows, T);
  for (Index row = 0; row < rows; ++row) {
    const auto head = at(row / rows_of_head);
    const Index i = row % rows_of_head;
    for (Index t = 0; t < T; ++t) {
      const PartOfRow part = part_of_row(heads[head], errors[head], i, parts[at(t)]);
      left(row, t) = t, right(row, t) = T - 1 - t;
      if (std::isnan(part.ln_factor)) continue;
      f.ln_factor(row, t) = part.ln_factor;
      f.lse(row, t) = part.lse, f.maximum(row, t) = part.maximum, f.mean(row, t) = part.mean;
    }
    const std::vector<Index> visits = ring_order(state, state.device_of_row(i), parts);
    for (Index t = 0; t < T; ++t) ring(row, t) = visits[at(t)];
  }
  if (state.sharding.devices() > 1) f.orders.emplace_back("ring", ring);
  f.orders.emplace_back("left to right", left), f.orders.emplace_back("right to left", right);
  return f;
}

// ---- The finding ------------------------------------------------------------------

void set_parts(Finding& finding, const Parts& parts, bool owners) {
  finding.subject = owners ? "devices" : "blocks";
  finding.numbers["blocks"] = static_cast<double>(parts.size());
  if (owners) return;
  const bool tiles = std::all_of(parts.begin(), parts.end() - 1,
                                 [&](const auto& part) { return part.size() == parts[0].size(); });
  if (tiles) finding.subject = "tiles", finding.numbers["tile"] = static_cast<double>(parts[0].size());
  for (const std::vector<Index>& part : parts) finding.indices["first_keys"].push_back(part[0]);
}

void set_row_sums(Finding& finding, const std::vector<MeasuredScores>& heads, const BlockFeatures& features) {
  double least = INFINITY, greatest = -INFINITY;
  bool count_blocks = true;
  Index row = 0;
  for (const MeasuredScores& m : heads)
    for (Index i = 0; i < m.head.rows(); ++i, ++row) {
      const auto blocks = static_cast<double>((features.ln_factor.row(row).array().isNaN() == false).count());
      if (blocks == 0) continue;
      const double sum = m.head.varied.found.row(i).sum();
      least = std::min(least, sum), greatest = std::max(greatest, sum);
      count_blocks &= std::abs(sum / blocks - 1) < 0.02;
    }
  finding.numbers["least_row_sum"] = least, finding.numbers["greatest_row_sum"] = greatest;
  if (count_blocks) finding.numbers["row_sum_is_blocks"] = 1;
}

// A device, a block or a tile whose weights do not depend on it cannot be seen: what is left is noise or unexplained
Finding without_blocks(const ExaminationState& state, const std::vector<Matrix<double>>& errors) {
  double greatest = 0, square = 0, count = 0, wrong = 0;
  for (const Matrix<double>& error : errors)
    for (const double e : known(error)) {
      greatest = std::max(greatest, std::abs(e)), square += e * e, ++count;
      wrong += std::abs(e) > 2.3 * state.tolerance;
    }
  if (greatest < 0.04)
    return {.kind = coarse_rounding, .numbers = {{"greatest_error", std::sqrt(square / count)}}};
  return {.kind = scores_unexplained, .numbers = {{"share", wrong / count}, {"greatest", greatest}}};
}

}  // namespace

bool has_steps_between_blocks(const MeasuredScores& measured, const Matrix<double>& scores) {
  return !parts_of(measured.state, {centred(measured.y - scores)}).first.empty();
}

void find_block_law(ExaminationState& state, const std::vector<MeasuredScores>& heads) {
  std::vector<HeadRows> where;
  for (const MeasuredScores& m : heads) where.push_back({m.head.b, m.head.h, m.rows});
  for (const MeasuredScores& m : heads) state.heads(m.head.b, m.head.h).block_law = true;

  // Weights and values of different blocks
  if (state.sharding.devices() > 1) {
    std::vector<Finding> findings = blocks_of_keys(heads[0], heads[0].head.used);
    for (Finding& finding : findings) finding.where = where, state.findings.add(finding);
    if (!findings.empty()) return;
  }

  // Steps between blocks
  const std::vector<Matrix<double>> errors = errors_of(heads);
  const auto [parts, owners] = parts_of(state, errors);
  Finding finding = without_blocks(state, errors);
  if (!parts.empty()) {
    const BlockFeatures features = features_of(state, heads, errors, parts);
    const std::vector<double> factors = known(features.ln_factor);
    const auto [least, greatest] = std::minmax_element(factors.begin(), factors.end());
    finding = {.kind = block_factors,
               .numbers = {{"least_factor", std::exp(*least)}, {"greatest_factor", std::exp(*greatest)}},
               .law = block_law(features, state.tolerance)};
    set_parts(finding, parts, owners);
    set_row_sums(finding, heads, features);
    if (owners && finding.law.empty())
      if (const auto of_rows = block_lse_of_other_rows(state, heads, features)) finding = *of_rows;
  }
  finding.where = where;
  state.findings.add(finding);
}

}  // namespace ringattn
