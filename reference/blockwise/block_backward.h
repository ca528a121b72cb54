#pragma once

#include "reference/blockwise/score_tile.h"
#include "reference/definition/attention_vjp.h"

namespace ringattn {

// What the backward needs of each query row besides Q: one device's rows, of the finished forward.
template <class T>
struct QueryCotangents {
  Tensor<T> dO;     // (B, S, H, Dv)
  Tensor<T> lse;    // (B, S, H, 1)  of all keys, not of one block
  Tensor<T> shift;  // (B, S, H, 1)  dlse - delta, delta = rowsum(dO * O) with the finished O; 0 where no key was seen

  QueryCotangents() = default;
  QueryCotangents(const TensorView<const T>& dout, const TensorView<const T>& dlse, const TensorView<const T>& out,
                  const TensorView<const T>& lse);

  Index bytes() const { return dO.bytes() + lse.bytes() + shift.bytes(); }
};

template <class T>
struct BackwardScratch {
  ScoreTile<T> P, dS;
};

// One head of a block of queries against a block of keys: adds what this block contributes to dQ, dK and dV
template <class T>
void attend_backward(const BlockPair<T>& pair, const QueryCotangents<T>& rows, Index b, Index h, Gradients<T>& gradients,
                     BackwardScratch<T>& scratch);

}  // namespace ringattn
