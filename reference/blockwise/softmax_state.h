#pragma once

#include <vector>

#include "reference/blockwise/score_tile.h"
#include "reference/definition/attention.h"

namespace ringattn {

// What a device remembers of the keys its queries have met so far: the online softmax.
// With every block absorbed, O / l is the softmax-weighted mean of the values, in whatever order the blocks
// came.
template <class T>
struct SoftmaxState {
  Tensor<T> m;  // (B, S, H, 1)   largest score so far; -inf: no key seen yet
  Tensor<T> l;  // (B, S, H, 1)   sum of exp(S - m)
  Tensor<T> O;  // (B, S, H, Dv)  sum of exp(S - m) V, not yet divided by l

  SoftmaxState() = default;

  // The neutral state, which has seen nothing: (-inf, 0, 0)
  explicit SoftmaxState(const Shape& out);

  // Rows [row, row + S.rows()) of head h absorb a tile of scores S, (rows, keys), and the values V, (keys,
  // Dv). Row i sees the keys key_ranges[i] of the tile; S holds exp(S - m) afterwards, 0 for hidden keys.
  void absorb(Index b, Index h, Index row, Scores<T> S, const std::vector<RowRange>& key_ranges,
              const Eigen::Ref<const Matrix<T>>& V);

  // Joins two states that have seen different keys; the neutral state changes nothing
  void merge(const SoftmaxState& other);

  // out = O / l and lse = m + log l; a row that saw no key has out = 0, lse = -inf
  AttentionOutput<T> finish() const;

  Index bytes() const { return m.bytes() + l.bytes() + O.bytes(); }
};

}  // namespace ringattn
