#pragma once

#include "reference/blockwise/score_tile.h"
#include "reference/definition/attention_vjp.h"

namespace ringattn {

// The operands that travel with a block of queries in the backward pass, besides Q. All come from the finished forward
// pass over all keys, not from one block.
template <class T>
struct QueryCotangents {
  const Tensor<T>& dO;        // (B, S, H, Dv)
  const Tensor<T>& lse;       // (B, S, H, 1)  logarithm of the normaliser over all keys
  const Tensor<T>& row_term;  // (B, S, H, 1)  dlse - delta, see row_terms_of()
};

// The term of each row in dS: row_term = dlse - delta, with delta = rowsum(dO * O), (B, S, H, 1).
// _out_ and _lse_ are the result over all keys. A row with no visible key has row_term = 0.
template <class T>
Tensor<T> row_terms_of(const Cotangents<T>& cotangents, const TensorView<const T>& out,
                       const TensorView<const T>& lse);

// The contribution of these rows to the gradients of the sinks, (1, 1, H, 1); empty without sinks
template <class T>
Tensor<T> sink_gradients_of(const Scoring& scoring, const Tensor<T>& lse, const Tensor<T>& row_term);

// Scratch memory of attend_backward().
template <class T>
struct BackwardScratch {
  ScoreTile<T> P, dS;
};

// Backward pass of one block pair, for query head h of sequence b: adds the contributions of the pair to dQ, dK and dV.
// Every pair of query and key contributes one term to each sum, so the blocks may be processed in any order.
template <class T>
void attend_backward(const BlockPair<T>& pair, const QueryCotangents<T>& rows, Index b, Index h,
                     Gradients<T>& gradients, BackwardScratch<T>& scratch);

}  // namespace ringattn
