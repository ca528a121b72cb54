#include "reference/oracle/verdict/key_positions.h"

#include <algorithm>

namespace ringattn {

KeyPositions::KeyPositions(std::span<const RowPosition> keys) {
  for (const RowPosition& key : keys) of_document_[key.segment].push_back(key.position);
  for (auto& [document, positions] : of_document_) std::sort(positions.begin(), positions.end());
}

bool KeyPositions::visible_to(const RowPosition& query, const Mask& mask) const {
  const auto document = of_document_.find(query.segment);
  if (document == of_document_.end()) return false;
  const std::vector<std::int64_t>& positions = document->second;
  const auto first = std::lower_bound(positions.begin(), positions.end(), mask.first_visible(query.position));
  return first != positions.end() && *first <= mask.last_visible(query.position);
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

}  // namespace ringattn
