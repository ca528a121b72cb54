#pragma once

#include <vector>

#include "reference/definition/layout.h"
#include "reference/ring/resident_owner.h"

namespace ringattn {

// The rows of one sequence of N rows on the devices of a ring, looked up in both directions: the device of a row, its
// place on that device, and the rows of a device.
class RowSharding {
 public:
  RowSharding(Layout layout, int devices, Index N);

  int device_of(Index row) const { return device_[static_cast<std::size_t>(row)]; }
  Index place_of(Index row) const { return place_[static_cast<std::size_t>(row)]; }
  const std::vector<Index>& rows_of(int device) const {
    return rows_[static_cast<std::size_t>(device)];
  }  // ascending
  int devices() const { return static_cast<int>(rows_.size()); }

 private:
  std::vector<int> device_;               // (N)
  std::vector<Index> place_;              // (N) index of the row among the rows of its device
  std::vector<std::vector<Index>> rows_;  // (devices)
};

// The queries and the keys, each sharded over its own length, and the schedule of the K/V blocks.
struct Sharding {
  Layout layout;
  RowSharding queries, keys;

  Sharding(Layout of_rows, int count, Index Sq, Index Skv)
      : layout(of_rows), queries(of_rows, count, Sq), keys(of_rows, count, Skv) {}

  int devices() const { return queries.devices(); }

  // The owner of the K/V block that is resident on _device_ at _step_; a negative step runs the ring backwards
  int owner_at(int device, int step) const { return resident_owner(device, step, devices()); }
};

}  // namespace ringattn
