#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "reference/definition/problem.h"

namespace ringattn {

// The positions of the keys of each document. It finds the nearest visible key of a query in logarithmic time.
class KeyPositions {
 public:
  explicit KeyPositions(std::span<const RowPosition> keys);

  // Whether some key is visible to the query
  bool visible_to(const RowPosition& query, const Mask& mask) const {
    return nearest_distance(query, mask).has_value();
  }

  // The distance of the query from its nearest visible key; nothing if no key is visible
  std::optional<double> nearest_distance(const RowPosition& query, const Mask& mask) const;

 private:
  std::map<std::int64_t, std::vector<std::int64_t>> of_document_;  // ascending
};

// Whether query i of head h sees a key of sequence b, whose positions are _keys_. Bias and boolean mask take a look at
// each key
bool sees_a_key(const Problem<double>& problem, const KeyPositions& keys, Index b, Index h, Index i);

// The largest distance of a query from its nearest visible key; 0 if no query has a visible key
double largest_nearest_distance(const RowPositions& queries, const RowPositions& keys, const Mask& mask);

}  // namespace ringattn
