#include <algorithm>
#include <cmath>

#include "reference/oracle/examine/examination.h"
#include "reference/oracle/examine/fit/statistics.h"
#include "reference/oracle/examine/weights/key_slots.h"
#include "reference/oracle/examine/weights/visible_rules.h"

namespace ringattn {

namespace {

using enum FindingKind;

// The keys that rows read under even scores. Rows that other findings explain count as right, and so do keys whose
// right weight is too small to be measured
Matrix<bool> read_keys(const ExaminationState& state, const HeadReadout& head) {
  Matrix<bool> read = head.visible;
  for (Index i = 0; i < head.rows(); ++i) {
    if (!head.open[at(i)] && !head.blind[at(i)]) continue;
    for (Index j = 0; j < head.keys(); ++j)
      if (!head.visible(i, j) || head.even.right(i, j) >= state.smallest_weight)
        read(i, j) = head.even.found(i, j) > 0;
  }
  return read;
}

// ---- The softmax over queries ---------------------------------------------------

// The sums of the weights of the keys that are read, minus 1
bool keys_sum_to_1(const Matrix<double>& weights, double tolerance) {
  bool any = false;
  for (Index j = 0; j < weights.cols(); ++j) {
    if (!(weights.col(j).array() != 0).any()) continue;
    if (!(std::abs(weights.col(j).sum() - 1) <= tolerance)) return false;
    any = true;
  }
  return any;
}

bool is_over_queries(const ExaminationState& state, const HeadReadout& head) {
  const double tolerance = 3 * state.rounding + 1e-4;
  const auto odd_rows = rows_where(head, [&](Index i) {
    return head.visible.row(i).any() && std::abs(head.varied.found.row(i).sum() - 1) > 0.1;
  });
  return head.all_open() && !odd_rows.empty() && keys_sum_to_1(head.even.found, tolerance) &&
         keys_sum_to_1(head.varied.found, tolerance);
}

// ---- What hidden keys weigh -----------------------------------------------------

// ln of the weights, minus what the right ones say, over the pairs of a mask; relative to the visible keys of the row
struct HiddenWeights {
  std::vector<double> even, varied, varied_without_scores;
};

HiddenWeights hidden_weights(const HeadReadout& head, const Matrix<bool>& read) {
  HiddenWeights result;
  for (Index i = 0; i < head.rows(); ++i) {
    if (!head.open[at(i)]) continue;
    std::vector<double> even, varied;
    for (Index j = 0; j < head.keys(); ++j)
      if (head.visible(i, j) && read(i, j) && head.varied.found(i, j) > 0) {
        even.push_back(std::log(head.even.found(i, j)));
        varied.push_back(std::log(head.varied.found(i, j)) - head.scores(i, j));
      }
    const double of_even = median(even), of_varied = median(varied);
    for (Index j = 0; j < head.keys(); ++j)
      if (!head.visible(i, j) && read(i, j) && head.varied.found(i, j) > 0 && !even.empty()) {
        const double ln = std::log(head.varied.found(i, j));
        result.even.push_back(std::log(head.even.found(i, j)) - of_even);
        result.varied.push_back(ln - head.scores(i, j) - of_varied);
        result.varied_without_scores.push_back(ln - of_varied);
      }
  }
  return result;
}

bool all_near(const std::vector<double>& values, double wanted, double tolerance) {
  const auto near =
      std::count_if(values.begin(), values.end(), [&](double x) { return std::abs(x - wanted) < tolerance; });
  return !values.empty() && static_cast<double>(near) > 0.95 * static_cast<double>(values.size());
}

// Hidden keys take part with one score of their own, or with their score minus a constant
std::optional<Finding> hidden_law(const ExaminationState& state, const HeadReadout& head,
                                  const Matrix<bool>& read) {
  const HiddenWeights hidden = hidden_weights(head, read);
  if (hidden.even.empty()) return std::nullopt;
  const double c = median(hidden.even), limit = 3 * state.tolerance;
  if (!all_near(hidden.even, c, limit)) return std::nullopt;
  if (all_near(hidden.varied_without_scores, c, limit) && !all_near(hidden.varied, c, limit))
    return Finding{.kind = hidden_score, .numbers = {{"score", c}}};
  const bool all_hidden = (read.array() || head.visible.array()).all();
  if (all_hidden && !all_near(hidden.even, 0, limit) && all_near(hidden.varied, c, limit))
    return Finding{.kind = hidden_factor, .numbers = {{"difference", c}}};
  return std::nullopt;
}

// Does each row give all keys that it reads the same weight under even scores, and these sum to 1?
bool has_equal_weights(const ExaminationState& state, const HeadReadout& head, const Matrix<bool>& read) {
  for (Index i = 0; i < head.rows(); ++i) {
    const auto count = static_cast<double>(read.row(i).count());
    for (Index j = 0; j < head.keys(); ++j)
      if (read(i, j) && !(std::abs(head.even.found(i, j) * count - 1) <= 3 * state.tolerance)) return false;
  }
  return true;
}

// ---- The rule -------------------------------------------------------------------

// A pattern that was described before, for another head
struct Described {
  Matrix<bool> read, wanted;
  std::vector<Finding> findings;
};

std::vector<Finding> describe(const ExaminationState& state, const HeadReadout& head,
                              const Matrix<bool>& read) {
  for (Index b = 0; b < state.heads.batches(); ++b)
    if (b != head.b && (state.heads(b, head.h).visible.array() == read.array()).all())
      return {{.kind = visible_of_sequence, .numbers = {{"batch", static_cast<double>(b)}}}};
  return visible_findings({state.attention, state.sharding, head, read});
}

}  // namespace

// Which keys does a row read where all scores are equal?
bool find_visible_rule(ExaminationState& state) {
  std::vector<Described> described;
  for (HeadReadout& head : state.heads) {
    if (is_over_queries(state, head)) {
      state.findings.add(head.b, head.h, head.all_rows(), {.kind = softmax_over_queries});
      head.close_rows();
      judge_pairs(state, head);
      continue;
    }
    const Matrix<bool> read = read_keys(state, head);
    const auto wrong =
        rows_where(head, [&](Index i) { return (read.row(i).array() != head.visible.row(i).array()).any(); });
    if (wrong.empty()) continue;

    // The rule
    auto same = std::find_if(described.begin(), described.end(), [&](const Described& each) {
      return (each.read.array() == read.array()).all() && (each.wanted.array() == head.visible.array()).all();
    });
    if (same == described.end())
      same = described.insert(described.end(), {read, head.visible, describe(state, head, read)});
    const bool ruled = has_equal_weights(state, head, read) &&
                       std::none_of(same->findings.begin(), same->findings.end(),
                                    [](const Finding& finding) { return finding.kind == visible_pairs; });
    if (const auto slots = ruled ? std::nullopt : find_key_slots(state, head)) {
      state.findings.add(head.b, head.h, head.all_rows(), *slots);
      head.close_rows();
      judge_pairs(state, head);
      continue;
    }
    for (const Finding& finding : same->findings) {
      const bool of_some = finding.kind == visible_pairs;
      state.findings.add(head.b, head.h, of_some ? finding.indices.at("rows") : wrong, finding);
    }

    // The weight of keys that should be hidden
    if (const auto law = hidden_law(state, head, read)) {
      state.findings.add(head.b, head.h, wrong, *law);
      for (Index n = 0; n < head.judged.size(); ++n)
        if (!head.visible.data()[n]) head.judged.data()[n] = false;
    }
  }
  return true;
}

}  // namespace ringattn
