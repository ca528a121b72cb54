#pragma once

#include "reference/definition/row_positions.h"

namespace ringattn {

// Which keys a query may see. Everything is said in global positions, so a mask means the same on every
// device.
struct Mask {
  bool causal = false;             // a key must not stand after its query
  std::int64_t window_left = -1;   // furthest distance of a key before its query, inclusive; -1: unlimited
  std::int64_t window_right = -1;  // furthest distance of a key after its query, inclusive; -1: unlimited

  // The last position that a query at _position_ may see, and the first
  std::int64_t last_visible(std::int64_t position) const {
    if (causal) return position;
    return window_right < 0 ? INT64_MAX : position + window_right;
  }
  std::int64_t first_visible(std::int64_t position) const {
    return window_left < 0 ? INT64_MIN : position - window_left;
  }
};

// Causal and window intersect; segments only restrict
inline bool visible(const RowPosition& query, const RowPosition& key, const Mask& mask) {
  return query.segment == key.segment && key.position >= mask.first_visible(query.position) &&
         key.position <= mask.last_visible(query.position);
}

}  // namespace ringattn
