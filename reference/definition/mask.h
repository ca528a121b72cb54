#pragma once

#include "reference/definition/row_positions.h"

namespace ringattn {

// Selects the keys that are visible to a query. A mask is defined on global positions, so it is the same on every
// device and for every layout.
struct Mask {
  bool causal = false;             // hides keys after the query
  std::int64_t window_left = -1;   // largest distance of a key before the query, inclusive; -1: unlimited
  std::int64_t window_right = -1;  // largest distance of a key after the query, inclusive; -1: unlimited

  // The visible positions are [first_visible, last_visible]; if causal and window are both set, they intersect
  std::int64_t last_visible(std::int64_t position) const {
    if (causal) return position;
    return window_right < 0 ? INT64_MAX : position + window_right;
  }
  std::int64_t first_visible(std::int64_t position) const {
    return window_left < 0 ? INT64_MIN : position - window_left;
  }
};

// A key is visible if it belongs to the segment of the query and its position lies in the window.
// Segments only restrict: positions are compared as they are, also across segments.
inline bool visible(const RowPosition& query, const RowPosition& key, const Mask& mask) {
  return query.segment == key.segment && key.position >= mask.first_visible(query.position) &&
         key.position <= mask.last_visible(query.position);
}

}  // namespace ringattn
