#pragma once

#include "reference/definition/tensor.h"

namespace ringattn {

// The feed-forward layer of a transformer: y = gelu(x W1 + b1) W2 + b2 for each row x.
template <class T>
struct FeedForward {
  Matrix<T> W1;  // (D, hidden)
  Vector<T> b1;  // (hidden)
  Matrix<T> W2;  // (hidden, D)
  Vector<T> b2;  // (D)

  // All rows at once: X (S, D) -> (S, D), with S x hidden numbers in between
  Matrix<T> apply(const Matrix<T>& X) const;

  // The same, _rows_per_block_ rows at a time, as the Blockwise Parallel Transformer does right after the
  // attention of each block of queries (arXiv:2305.19370, section 3): rows do not know of one another, so
  // nothing changes but the memory, which is that of one block.
  Matrix<T> apply_blockwise(const Matrix<T>& X, Index rows_per_block) const;
};

}  // namespace ringattn
