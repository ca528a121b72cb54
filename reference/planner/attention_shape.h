#pragma once

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

// The pairs of the queries of _device_ and the keys of _owner_ that the mask leaves, over all sequences and heads
double visible_pairs(const AttentionShape& shape, Layout layout, int devices, int device, int owner);

// The same over all devices
double visible_pairs(const AttentionShape& shape);

}  // namespace ringattn::planner
