#pragma once

#include <map>
#include <span>
#include <vector>

#include "reference/definition/mask.h"

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

}  // namespace ringattn
