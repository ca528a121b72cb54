#pragma once

#include "reference/definition/layout.h"

namespace ringattn {

// How the rows of one sequence lie on the devices of a ring: who has a row, and at which place.
class RowSharding {
 public:
  RowSharding(Layout layout, int devices, Index N);

  int device_of(Index row) const { return device_[static_cast<std::size_t>(row)]; }
  Index place_of(Index row) const { return place_[static_cast<std::size_t>(row)]; }
  const std::vector<Index>& rows_of(int device) const { return rows_[static_cast<std::size_t>(device)]; }
  int devices() const { return static_cast<int>(rows_.size()); }

 private:
  std::vector<int> device_;
  std::vector<Index> place_;  // among the rows of its device
  std::vector<std::vector<Index>> rows_;
};

// The queries and the keys, each distributed over its own length, and the path of the blocks round the ring.
struct Sharding {
  Layout layout;
  RowSharding queries, keys;

  Sharding(Layout dealt, int count, Index Sq, Index Skv)
      : layout(dealt), queries(dealt, count, Sq), keys(dealt, count, Skv) {}

  int devices() const { return queries.devices(); }

  // Whose block a device holds at a step: (r - t) mod P
  int owner_at(int device, int step) const { return ((device - step) % devices() + devices()) % devices(); }
};

}  // namespace ringattn
