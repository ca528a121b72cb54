#pragma once

#include "reference/blockwise/score_tile.h"
#include "reference/definition/attention_vjp.h"

namespace ringattn {

// What the backward needs of a block of queries besides Q, all of the finished forward.
template <class T>
struct QueryCotangents {
  const Tensor<T>& dO;     // (B, S, H, Dv)
  const Tensor<T>& lse;    // (B, S, H, 1)  of all keys, not of one block
  const Tensor<T>& row_term;  // (B, S, H, 1)  as row_terms_of gives it
};

// dlse - delta, delta = rowsum(dO * O) with the finished O, (B, S, H, 1); 0 where no key was seen
template <class T>
Tensor<T> row_terms_of(const Cotangents<T>& cotangents, const TensorView<const T>& out,
                      const TensorView<const T>& lse);

template <class T>
struct BackwardScratch {
  ScoreTile<T> P, dS;
};

// One head of a block of queries against a block of keys: adds what this block contributes to dQ, dK and dV
template <class T>
void attend_backward(const BlockPair<T>& pair, const QueryCotangents<T>& rows, Index b, Index h,
                     Gradients<T>& gradients, BackwardScratch<T>& scratch);

}  // namespace ringattn
