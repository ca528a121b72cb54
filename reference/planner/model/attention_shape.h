#pragma once

#include <array>
#include <vector>

#include "reference/definition/layout.h"
#include "reference/definition/mask.h"
#include "reference/trace/event.h"

namespace ringattn::planner {

// The attention of one layer: extents as in Problem, without tensors. The last query is aligned with the last key, so
// _queries_ < _keys_ means new tokens behind cached ones.
struct AttentionShape {
  Index batch = 1, queries = 1, keys = 1, heads = 1, kv_heads = 1, dim = 1, v_dim = 1;
  Mask mask = {};

  // Operations for one visible pair of query and key of one head. Forward: q.k and the sum of values
  double forward_flops_per_pair() const { return 2 * static_cast<double>(dim + v_dim); }
  double backward_flops_per_pair() const { return CostModel::backward_cost_ratio * forward_flops_per_pair(); }
};

// The pairs of query and key that the mask leaves, over all sequences and heads
double visible_pairs(const AttentionShape& shape);

// The same for the queries of one device and the keys of another. The runs of rows of each shard are found once,
// because a plan asks for all pairs of devices.
class VisiblePairs {
 public:
  VisiblePairs(const AttentionShape& shape, Layout layout, int devices);

  double of(int query_device, int key_device) const;

 private:
  // Positions first, first + stride, ...
  struct Run {
    Index first = 0, stride = 1, length = 0;
  };
  using Shard = std::array<Run, 2>;  // one run, or the two chunks of zigzag

  static Shard shard(Layout layout, Index device, Index devices, Index N);
  double pairs_of(const Run& q, const Run& k) const;
  static double pairs_up_to(const Run& q, const Run& k, Index offset);

  AttentionShape shape_;
  std::vector<Shard> queries_, keys_;  // by device
};

// The pairs of one head and one sequence between the queries of a group of devices and the keys of another. Groups are
// neighbouring devices that hold their rows together.
class PairTable {
 public:
  PairTable(const AttentionShape& shape, Layout layout, int devices, int query_group, int key_group);

  Index of(int query_device, int key_device) const {
    return pairs_[static_cast<std::size_t>(query_device / query_group_ * columns_ + key_device / key_group_)];
  }

 private:
  Index query_group_, key_group_, columns_;
  std::vector<Index> pairs_;
};

}  // namespace ringattn::planner
