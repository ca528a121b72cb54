#pragma once

#include <array>
#include <vector>

#include "reference/definition/layout.h"

namespace ringattn::planner {

// The attention of one layer: extents as in Problem, without tensors. With a causal mask the last query is aligned with
// the last key, so _queries_ < _keys_ means new tokens behind cached ones.
struct AttentionShape {
  Index batch = 1, queries = 1, keys = 1, heads = 1, kv_heads = 1, dim = 1, v_dim = 1;
  bool causal = false;

  // Operations for one visible pair of query and key of one head. Forward: q.k and the sum of values. Backward: five
  // products of matrices in place of two (FlashAttention-2, arXiv:2307.08691, section 4.1)
  double forward_flops_per_pair() const { return 2 * static_cast<double>(dim + v_dim); }
  double backward_flops_per_pair() const { return 2.5 * forward_flops_per_pair(); }
};

// Bytes of the elements of tensors on a device. On an accelerator scores live on the chip, and positions follow from
// the owner of a block; the engine of this project holds both in memory.
struct ElementBytes {
  double input = 2;     // Q K V dO
  double gradient = 4;  // dQ dK dV while they are summed
  double state = 4;     // m l O, lse, row_term
  double position = 0;  // of one row, in blocks that travel
  double tile = 0;      // one tile of scores
};

// The number of rows of a device
double rows_of_shard(Layout layout, int device, int devices, Index N);
double rows_of_largest_shard(Layout layout, int devices, Index N);

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
  static double causal_pairs(const Run& q, const Run& k, Index offset);

  AttentionShape shape_;
  std::vector<Shard> queries_, keys_;  // by device
};

}  // namespace ringattn::planner
