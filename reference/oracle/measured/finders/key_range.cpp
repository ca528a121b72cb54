#include "reference/oracle/measured/finders/key_range.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>

#include "reference/definition/parallel/parallel_for.h"
#include "reference/oracle/measured/head_attention.h"

namespace ringattn {

namespace {

constexpr std::size_t least_rows_of_range = 4;

// A rule for the first or the last key that a row sees.
struct RangeRule {
  enum Bound { from, up_to } bound = from;
  enum Kind {
    distance,
    key,
    tile
  } kind = distance;  // from the position of the query; a fixed key; from the first position of its tile
  Index value = 0;    // key minus query position, key, key minus first position of the tile
  Index size = 0;     // of the tile

  auto operator<=>(const RangeRule&) const = default;
};

std::string text_of(const RangeRule& rule) {
  const std::string bound = rule.bound == RangeRule::from ? "see only keys from " : "see keys up to ",
                    number = std::to_string(std::abs(rule.value));
  switch (rule.kind) {
    case RangeRule::key:
      return bound + "key " + std::to_string(rule.value);
    case RangeRule::tile:
      if (rule.bound == RangeRule::up_to && rule.value == rule.size - 1)
        return bound + "the end of their tile of " + std::to_string(rule.size);
      return bound + "position T " + (rule.value < 0 ? "- " : "+ ") + number +
             ", where T is the first position of their tile of " + std::to_string(rule.size);
    case RangeRule::distance:
      break;
  }
  if (rule.value == 0) return bound + "their own position";
  return bound + number + (rule.value < 0 ? " before" : " after") + " their position";
}

// The scores of some rows of a head, and the keys that they see
struct HeadScores {
  Matrix<double> S, V;
  Problem<double> head;

  std::int64_t position(std::size_t row) const { return head.q_positions.of(0)[row].position; }
  std::int64_t key_position(Index j) const {
    return head.kv_positions.of(0)[static_cast<std::size_t>(j)].position;
  }
  bool sees(std::size_t row, Index j) const {
    return visible(head.q_positions.of(0)[row], head.kv_positions.of(0)[static_cast<std::size_t>(j)],
                   head.scoring.mask);
  }
};

// The visible keys of a row, [begin, end), if they are contiguous
std::optional<RowRange> visible_range(const HeadScores& scores, std::size_t row) {
  RowRange range{-1, -1};
  for (Index j = 0; j < scores.S.cols(); ++j) {
    if (!scores.sees(row, j)) continue;
    if (range.begin < 0) range.begin = j;
    if (range.end >= 0 && range.end != j) return std::nullopt;
    range.end = j + 1;
  }
  return range.begin < 0 ? std::nullopt : std::optional(range);
}

// Calls visit(last key, out) for the attention of a row to more and more keys, from _first_ in steps of _step_
template <class Visit>
void accumulate(const HeadScores& scores, std::size_t row, Index first, Index step, const Visit& visit) {
  const auto i = static_cast<Index>(row);
  double m = scores.S(i, first), l = std::exp(scores.head.scoring.sink(0) - m);
  Vector<double> O = Vector<double>::Zero(scores.V.cols());
  for (Index j = first; 0 <= j && j < scores.S.cols(); j += step) {
    const double larger = std::max(m, scores.S(i, j)), alpha = std::exp(m - larger);
    const double weight = std::exp(scores.S(i, j) - larger);
    m = larger, l = alpha * l + weight;
    O = alpha * O + weight * scores.V.row(j).transpose();
    visit(j, O / l);
  }
}

// A range that explains a row
struct SeenRange {
  RangeRule::Bound bound;
  Index key;   // the first or the last one
  Index keys;  // their number
};

std::vector<SeenRange> ranges_of_row(const RecordedTensor& out, const WrongPart& part,
                                     const HeadScores& scores, std::size_t row, std::size_t n) {
  std::vector<SeenRange> ranges;
  const std::optional<RowRange> right = visible_range(scores, row);
  if (!right) return ranges;
  const auto agrees = [&](const Vector<double>& candidate) {
    return row_distance(out, part.rows[n], candidate, part.channels) <= largest_explained_error / 2;
  };
  accumulate(scores, row, right->begin, 1, [&](Index j, const Vector<double>& candidate) {
    if (j != right->end - 1 && agrees(candidate))
      ranges.push_back({RangeRule::up_to, j, j - right->begin + 1});
  });
  accumulate(scores, row, right->end - 1, -1, [&](Index j, const Vector<double>& candidate) {
    if (j != right->begin && agrees(candidate)) ranges.push_back({RangeRule::from, j, right->end - j});
  });
  return ranges;
}

std::vector<RangeRule> rules_of(const SeenRange& range, const HeadScores& scores, std::size_t row) {
  const auto distance = static_cast<Index>(scores.key_position(range.key) - scores.position(row));
  std::vector<RangeRule> rules{{range.bound, RangeRule::distance, distance},
                               {range.bound, RangeRule::key, range.key}};
  const auto position = static_cast<Index>(scores.position(row));
  for (Index tile = 4; tile <= 256 && position >= 0; tile *= 2) {
    const Index from_tile = distance + position % tile;
    if (-2 * tile < from_tile && from_tile < 2 * tile)
      rules.push_back({range.bound, RangeRule::tile, from_tile, tile});
  }
  return rules;
}

// The rows that follow each rule, with the number of keys that they see
using Followers = std::map<RangeRule, std::vector<std::pair<std::size_t, Index>>>;

void add_head(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
              const HeadPlace& head, const std::vector<std::size_t>& rows, Followers& followers) {
  std::vector<Index> global;
  for (const std::size_t n : rows) global.push_back(out.global_row(part.rows[n]));
  Tensor<double> Q;
  HeadScores scores{{}, {}, one_head(problem, head.b, right_operands(problem, head.b, head.h), global, Q)};
  scores.S = unmasked_scores(scores.head, 0, 0), scores.V = scores.head.V.head(0, 0);
  for (std::size_t row = 0; row < rows.size(); ++row)
    for (const SeenRange& range : ranges_of_row(out, part, scores, row, rows[row]))
      for (const RangeRule& rule : rules_of(range, scores, row))
        followers[rule].emplace_back(rows[row], range.keys);
}

}  // namespace

void find_key_range(const Problem<double>& problem, const RecordedTensor& out, const WrongPart& part,
                    Explanations& explanations) {
  const RowsOfHead of_heads = unexplained_rows(part, explanations);
  std::vector<const RowsOfHead::value_type*> heads;
  for (const auto& head : of_heads) heads.push_back(&head);

  // All rules of the rows, head by head
  Followers followers;
  std::mutex adding;
  parallel_for(static_cast<Index>(heads.size()), [&](Index n) {
    const auto& [head, rows] = *heads[static_cast<std::size_t>(n)];
    Followers some;
    add_head(problem, out, part, head, some_of(rows, rows_to_screen), some);
    if (some.empty()) return;
    if (rows.size() > rows_to_screen) some.clear(), add_head(problem, out, part, head, rows, some);
    const std::lock_guard lock(adding);
    for (auto& [rule, members] : some)
      followers[rule].insert(followers[rule].end(), members.begin(), members.end());
  });

  // Each row has the rule that most rows follow
  std::vector<const Followers::value_type*> order;
  for (const auto& rule : followers)
    if (rule.second.size() >= least_rows_of_range) order.push_back(&rule);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto* a, const auto* b) { return a->second.size() > b->second.size(); });
  for (const auto* rule : order)
    for (const auto& [n, keys] : rule->second)
      if (!explanations[n])
        explanations[n] = {
            "key range",
            text_of(rule->first),
            "Compare the mask with this range: its offset, its edge, and the tiles that are skipped.",
            "",
            evidence_of_agreement(out, part.rows[n], part.channels, keys),
            32 * static_cast<double>(problem.K.shape.S)};
}

}  // namespace ringattn
