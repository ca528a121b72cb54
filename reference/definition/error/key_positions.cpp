#include "reference/definition/error/key_positions.h"

#include <algorithm>

namespace ringattn {

KeyPositions::KeyPositions(std::span<const RowPosition> keys) {
  for (const RowPosition& key : keys) of_document_[key.segment].push_back(key.position);
  for (auto& [document, positions] : of_document_) std::sort(positions.begin(), positions.end());
}

std::optional<double> KeyPositions::nearest_distance(const RowPosition& query, const Mask& mask) const {
  const auto document = of_document_.find(query.segment);
  if (document == of_document_.end()) return {};

  // The visible keys, and the first of them that is not before the query
  const std::vector<std::int64_t>& positions = document->second;
  const auto first = std::lower_bound(positions.begin(), positions.end(), mask.first_visible(query.position));
  const auto end = std::upper_bound(first, positions.end(), mask.last_visible(query.position));
  if (first == end) return {};
  const auto after = std::lower_bound(first, end, query.position);
  if (after == first) return distance(query.position, *after);
  const double before = distance(query.position, *std::prev(after));
  return after == end ? before : std::min(before, distance(query.position, *after));
}

bool sees_a_key(const Problem<double>& problem, const KeyPositions& keys, Index b, Index h, Index i) {
  const RowPosition& query = problem.q_positions.of(b)[static_cast<std::size_t>(i)];
  if (!problem.has_pair_terms()) return keys.visible_to(query, problem.scoring.mask);
  const auto positions = problem.kv_positions.of(b);
  for (Index j = 0; j < problem.K.shape.S; ++j)
    if (visible(query, positions[static_cast<std::size_t>(j)], problem.scoring.mask) &&
        problem.allows(b, h, i, j))
      return true;
  return false;
}

double largest_nearest_distance(const RowPositions& queries, const RowPositions& keys, const Mask& mask) {
  double largest = 0;
  for (Index b = 0; b < std::max(queries.sequences(), keys.sequences()); ++b) {
    const KeyPositions of_sequence(keys.of(b));
    for (const RowPosition& query : queries.of(b))
      largest = std::max(largest, of_sequence.nearest_distance(query, mask).value_or(0));
  }
  return largest;
}

}  // namespace ringattn
