#pragma once

#include <map>
#include <span>
#include <vector>

#include "reference/definition/problem.h"

namespace ringattn {

// The positions of the keys of each document. It tells whether a query has a visible key in logarithmic time.
class KeyPositions {
 public:
  explicit KeyPositions(std::span<const RowPosition> keys);

  // Whether some key is visible to the query
  bool visible_to(const RowPosition& query, const Mask& mask) const;

 private:
  std::map<std::int64_t, std::vector<std::int64_t>> of_document_;  // ascending
};

// Whether query i of head h sees a key of sequence b, whose positions are _keys_. Bias and boolean mask take a look at
// each key
bool sees_a_key(const Problem<double>& problem, const KeyPositions& keys, Index b, Index h, Index i);

}  // namespace ringattn
