#include <algorithm>
#include <cmath>
#include <set>

#include "reference/oracle/examine/examination.h"
#include "reference/oracle/examine/fit/score_fit.h"
#include "reference/oracle/examine/fit/statistics.h"

namespace ringattn {

namespace {

using enum FindingKind;

// f(i, j) where the pair is judged, NaN elsewhere
template <class F>
Matrix<double> over_judged(const HeadReadout& head, const F& f) {
  Matrix<double> values = Matrix<double>::Constant(head.rows(), head.keys(), not_known);
  for (Index i = 0; i < head.rows(); ++i)
    for (Index j = 0; j < head.keys(); ++j)
      if (head.judged(i, j)) values(i, j) = f(i, j);
  return values;
}

// ln of the weights under even scores, each row minus the median of its visible keys (of all keys, if it sees none)
Matrix<double> relative_weights(const HeadReadout& head) {
  Matrix<double> ln = over_judged(head, [&](Index i, Index j) { return std::log(head.even.found(i, j)); });
  for (Index i = 0; i < head.rows(); ++i) {
    std::vector<double> of_visible;
    for (Index j = 0; j < head.keys(); ++j)
      if (head.visible(i, j) && !std::isnan(ln(i, j))) of_visible.push_back(ln(i, j));
    const double middle = median(of_visible.empty() ? known(ln.row(i)) : of_visible);
    if (!std::isnan(middle)) ln.row(i).array() -= middle;
  }
  return ln;
}

// All known elements are within rounding of whole numbers, and not all the same
bool are_whole(const Matrix<double>& values, double tolerance) {
  std::set<double> found;
  for (const double x : known(values)) {
    const double whole = std::max(1.0, std::round(x));
    if (!(std::abs(x / whole - 1) < 3 * tolerance)) return false;
    found.insert(whole);
  }
  return found.size() > 1;
}

// How often a key counts: exp of its score is _count_ times what it should be, whatever Q and K are.
struct Counts {
  Matrix<double> of_key;  // (Sq, Skv); NaN: not known
  bool absolute = false;  // not only relative to the other keys of the row
};

// With even scores, weight x exp(lse) is the count itself if lse is that of the weights. Otherwise it is known up to a
// factor of the row, and the least count is taken for 1 if all are whole then
Counts counts_of(const ExaminationState& state, const HeadReadout& head, const Matrix<double>& relative) {
  if (head.even.lse.size() > 0) {
    const Matrix<double> counts = over_judged(
        head, [&](Index i, Index j) { return head.even.found(i, j) * std::exp(head.even.lse(i)); });
    const bool within_1 = (head.even.found.rowwise().sum().array() < 1.02).all();
    if (within_1 && are_whole(counts, state.tolerance)) return {counts, true};
  }
  Matrix<double> from_least = relative;
  for (Index i = 0; i < head.rows(); ++i) {
    const std::vector<double> row = known(relative.row(i));
    if (!row.empty()) from_least.row(i).array() -= *std::min_element(row.begin(), row.end());
  }
  from_least = from_least.array().exp();
  if (are_whole(from_least, state.tolerance)) return {from_least};
  return {relative.array().exp()};
}

// Do the counts under even scores also hold under varied scores? Each row may have a factor, all scores may have one
bool hold_under_scores(const ExaminationState& state, const HeadReadout& head,
                       const Matrix<double>& relative) {
  Matrix<double> y = over_judged(head, [&](Index i, Index j) {
    return head.varied.found(i, j) > 0 ? std::log(head.varied.found(i, j)) - relative(i, j) : not_known;
  });
  const ScoreFit fit = fit_scores(y, head.scores, state.tolerance);
  y -= (fit.share > 0.5 ? fit.factor : 1) * head.scores;

  // In the rows with other counts, for most keys, and for most of those with another count
  const Matrix<double> error = centred(y);
  Matrix<double> of_rows = error, of_keys = error;
  for (Index i = 0; i < head.rows(); ++i)
    if (!(largest_magnitude(relative.row(i)) > 2.2 * state.tolerance)) of_rows.row(i).setConstant(not_known);
  for (Index n = 0; n < of_keys.size(); ++n)
    if (!(std::abs(relative.data()[n]) > 2.2 * state.tolerance)) of_keys.data()[n] = not_known;
  const auto hold = [&](const Matrix<double>& errors) {
    return known(errors).empty() || share_within(errors, 3 * state.tolerance) >= 0.9;
  };
  return hold(of_rows) && hold(of_keys);
}

// ---- Biases ---------------------------------------------------------------------

// ln count = slope x distance + constant of the row
std::optional<double> slope_of(const ExaminationState& state, const HeadReadout& head,
                               const Matrix<double>& relative) {
  double product = 0, square = 0;
  Matrix<double> y = relative, x = relative;
  for (Index i = 0; i < head.rows(); ++i) {
    double mean_y = 0, mean_x = 0, n = 0;
    for (Index j = 0; j < head.keys(); ++j)
      if (!std::isnan(relative(i, j))) mean_y += relative(i, j), mean_x += head.distance(i, j), ++n;
    for (Index j = 0; j < head.keys(); ++j)
      if (!std::isnan(relative(i, j))) {
        y(i, j) = relative(i, j) - mean_y / n, x(i, j) = head.distance(i, j) - mean_x / n;
        product += x(i, j) * y(i, j), square += x(i, j) * x(i, j);
      }
  }
  if (square == 0) return std::nullopt;
  const double slope = product / square;
  if (!(largest_magnitude(y - slope * x) < 3 * state.tolerance)) return std::nullopt;
  return slope;
}

// ln count as a function of the distance, if lse makes it absolute
std::optional<std::map<double, double>> bias_of(const ExaminationState& state, const HeadReadout& head) {
  if (head.even.lse.size() == 0) return std::nullopt;
  std::map<double, std::vector<double>> by_distance;
  for (Index i = 0; i < head.rows(); ++i)
    for (Index j = 0; j < head.keys(); ++j)
      if (head.judged(i, j))
        by_distance[head.distance(i, j)].push_back(std::log(head.even.found(i, j)) + head.even.lse(i));
  std::map<double, double> bias;
  for (const auto& [distance, values] : by_distance) {
    const double middle = median(values);
    for (const double value : values)
      if (!(std::abs(value - middle) < 4 * state.tolerance)) return std::nullopt;
    bias[distance] = middle;
  }
  return bias;
}

bool find_bias(ExaminationState& state, HeadReadout& head, const Matrix<double>& relative) {
  if (const auto slope = slope_of(state, head, relative)) {
    head.level = *slope * head.distance;
    state.findings.add(head.b, head.h, head.all_rows(), {.kind = bias_slope, .numbers = {{"slope", *slope}}});
    return true;
  }
  constexpr std::size_t most_levels = 9;
  const auto bias = bias_of(state, head);
  if (!bias) return false;

  // Distances with the same bias
  std::map<double, std::vector<Index>> levels;
  for (const auto& [distance, value] : *bias)
    levels[std::round(value * 50) / 50 + 0.0].push_back(static_cast<Index>(distance));
  if (levels.size() > most_levels) return false;
  for (const auto& [value, distances] : levels) {
    if (value == 0) continue;
    state.findings.add(
        head.b, head.h, head.all_rows(),
        {.kind = bias_by_distance, .numbers = {{"bias", value}}, .indices = {{"distances", distances}}});
  }
  for (Index n = 0; n < head.level.size(); ++n) {
    const auto found = bias->find(head.distance.data()[n]);
    if (found != bias->end()) head.level.data()[n] = found->second;
  }
  return true;
}

// ---- Counts ---------------------------------------------------------------------

// The blocks of the ring with one count each; those with several counts stay in _loose_
void find_block_counts(ExaminationState& state, const HeadReadout& head, const Matrix<double>& counts,
                       Matrix<bool>& loose) {
  if (state.sharding.devices() == 1) return;
  std::map<double, std::vector<BlockValue>> by_count;
  std::vector<BlockValue> all;
  for (const BlockRows& block : ring_blocks(state.sharding)) {
    std::vector<double> values;
    for (const Index i : block.rows)
      for (const Index j : block.keys)
        if (!std::isnan(counts(i, j))) values.push_back(counts(i, j));
    if (values.empty()) continue;
    all.push_back({block.device, block.block, 1});
    const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
    if (*greatest - *least >= 6 * state.tolerance * *greatest) continue;
    for (const Index i : block.rows)
      for (const Index j : block.keys) loose(i, j) = false;
    const double count = std::round(median(values) * 100) / 100;
    if (count != 1) by_count[count].push_back({block.device, block.block, count});
  }
  for (const auto& [count, blocks] : by_count)
    state.findings.add(head.b, head.h, head.all_rows(),
                       {.kind = block_counts,
                        .numbers = {{"count", count}},
                        .blocks = blocks,
                        .relation = relation_of(blocks, all, state.sharding.devices())});
}

// "some of the " unless all rows give the same keys this count
std::string some_of(const Matrix<double>& counts, const std::set<Index>& rows, const std::set<Index>& keys,
                    double count) {
  for (const Index i : rows)
    for (const Index j : keys)
      if (!std::isnan(counts(i, j)) && std::round(counts(i, j) * 10) / 10 != count) return "some of the ";
  return "";
}

void find_counts(ExaminationState& state, HeadReadout& head, const Matrix<double>& counts) {
  Matrix<bool> loose = counts.unaryExpr(
      [&](double count) { return !std::isnan(count) && std::abs(count - 1) > 3 * state.tolerance; });
  find_block_counts(state, head, counts, loose);

  // Single keys, by their count
  std::map<double, std::pair<std::set<Index>, std::set<Index>>> rows_and_keys;
  for (Index i = 0; i < head.rows(); ++i)
    for (Index j = 0; j < head.keys(); ++j)
      if (loose(i, j)) {
        auto& [rows, keys] = rows_and_keys[std::round(counts(i, j) * 10) / 10];
        rows.insert(i), keys.insert(j);
      }
  constexpr std::size_t most_counts = 4;
  if (rows_and_keys.size() > most_counts) {
    auto& [rows, keys] = rows_and_keys.begin()->second;
    for (auto& [count, each] : rows_and_keys)
      rows.insert(each.first.begin(), each.first.end()), keys.insert(each.second.begin(), each.second.end());
    state.findings.add(head.b, head.h, {rows.begin(), rows.end()},
                       {.kind = key_counts,
                        .numbers = {{"least_count", rows_and_keys.begin()->first},
                                    {"greatest_count", rows_and_keys.rbegin()->first}},
                        .indices = {{"keys", {keys.begin(), keys.end()}}},
                        .subject = "some of the "});
  } else {
    for (const auto& [count, each] : rows_and_keys)
      state.findings.add(head.b, head.h, {each.first.begin(), each.first.end()},
                         {.kind = key_counts,
                          .numbers = {{"count", count}},
                          .indices = {{"keys", {each.second.begin(), each.second.end()}}},
                          .subject = some_of(counts, each.first, each.second, count)});
  }
  for (Index n = 0; n < head.level.size(); ++n)
    if (!std::isnan(counts.data()[n])) head.level.data()[n] = std::log(counts.data()[n]);
}

}  // namespace

// Where all scores are 0, each key that is read has the same weight, unless it counts more often or has a bias.
bool find_key_counts(ExaminationState& state) {
  for (HeadReadout& head : state.heads) {
    if (!head.judged.any()) continue;
    const Matrix<double> relative = relative_weights(head);
    const Counts counts = counts_of(state, head, relative);
    if (!counts.absolute && largest_magnitude(relative) <= 2.2 * state.tolerance) continue;
    if (!hold_under_scores(state, head, relative)) continue;
    if (!counts.absolute && find_bias(state, head, relative)) continue;
    find_counts(state, head, counts.of_key);
  }
  return true;
}

}  // namespace ringattn
