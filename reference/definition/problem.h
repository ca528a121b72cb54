#pragma once

#include <cmath>
#include <optional>

#include "reference/definition/mask.h"
#include "reference/definition/minus_infinity.h"
#include "reference/definition/row_positions.h"
#include "reference/definition/tensor.h"

namespace ringattn {

// How scores are computed from q . k, and which keys are visible.
struct Scoring {
  std::optional<double> softmax_scale;  // factor of q . k; default: 1 / sqrt(head_dim of q)
  double softcap = 0;                   // c: scores become c tanh(score / c); 0: none
  Mask mask;

  // One number for each query head; empty: no sinks, and slopes of 0
  std::vector<double> sinks = {};         // the score of an extra term of each softmax, without a value
  std::vector<double> alibi_slopes = {};  // the factor of the distance that is subtracted from scores

  double scale(Index head_dim) const {
    return softmax_scale.value_or(1 / std::sqrt(static_cast<double>(head_dim)));
  }
  double sink(Index query_head) const {
    return sinks.empty() ? minus_infinity<double> : sinks[static_cast<std::size_t>(query_head)];
  }
  double alibi_slope(Index query_head) const {
    return alibi_slopes.empty() ? 0 : alibi_slopes[static_cast<std::size_t>(query_head)];
  }
  // The scoring of _count_ query heads, from _first_ on, as a problem of their own
  Scoring of_heads(Index first, Index count) const;
};

// The slopes of ALiBi for a number of heads (arXiv:2108.12409, section 3): the geometric sequence that starts at
// 2^(-8 / heads) and has that number as its ratio.
std::vector<double> standard_alibi_slopes(Index heads);

// A view of one value for each pair of query and key, (B, H, Sq, Skv). A stride of 0 broadcasts along its axis.
template <class T>
struct PairView {
  const T* data = nullptr;
  Index stride_B = 0, stride_H = 0, stride_q = 0, stride_kv = 1;

  explicit operator bool() const { return data != nullptr; }
  const T& operator()(Index b, Index h, Index i, Index j) const {
    return data[b * stride_B + h * stride_H + i * stride_q + j * stride_kv];
  }
};

// The inputs of attention. Tensors are views: their owners must outlive the problem.
template <class T>
struct Problem {
  TensorView<const T> Q;      // (B, Sq,  Hq,  D)
  TensorView<const T> K;      // (B, Skv, Hkv, D)
  TensorView<const T> V;      // (B, Skv, Hkv, Dv)
  RowPositions q_positions;   // (B or 1, Sq)
  RowPositions kv_positions;  // (B or 1, Skv)
  Scoring scoring;
  PairView<T> bias;        // added to the capped score; optional
  PairView<bool> allowed;  // false hides the pair; optional

  Index query_heads_per_kv_head() const { return Q.shape.H / K.shape.H; }
  // Grouped-query attention (arXiv:2305.13245): consecutive query heads share a K/V head
  Index kv_head(Index query_head) const { return query_head / query_heads_per_kv_head(); }
  Shape out_shape() const { return {Q.shape.B, Q.shape.S, Q.shape.H, V.shape.D}; }
};

// Throws BadInput unless shapes, positions and scoring are consistent
template <class T>
void check(const Problem<T>& problem);

// The same problem for the query rows _rows_ only, against all keys. The selected queries are stored in _Q_, which must
// outlive the result. Throws BadInput if the problem has a bias or a boolean mask.
template <class T>
Problem<T> with_queries(const Problem<T>& problem, const std::vector<Index>& rows, Tensor<T>& Q);

}  // namespace ringattn
