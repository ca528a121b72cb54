#pragma once

#include <vector>

#include "reference/blockwise/score_tile.h"
#include "reference/definition/attention.h"

namespace ringattn {

// The online softmax (Milakov and Gimelshein, arXiv:1805.02867): the state of each query row over the keys absorbed so
// far, from which the softmax over those keys can be finished at any time. For a set K of keys with scores S_j and
// values V_j:
//
//   m = max_j S_j     l = sum_j exp(S_j - m)     O = sum_j exp(S_j - m) V_j          j in K
//
// O / l is the output of attention over K, and m + log l its lse. The state may absorb keys in any order, tile by
// tile, and two states over disjoint sets of keys can be merged (the proof is at merge()). This is why a ring of
// devices computes exact attention: only rounding depends on the order.
template <class T>
struct SoftmaxState {
  Tensor<T> m;  // (B, S, H, 1)   largest score so far, or the sink; -inf: no visible key yet
  Tensor<T> l;  // (B, S, H, 1)   sum of exp(S - m)
  Tensor<T> O;  // (B, S, H, Dv)  sum of exp(S - m) V, not yet divided by l

  SoftmaxState() = default;

  // The state before the first key: (m, l, O) = (sink, 1, 0) in a head with an attention sink, and the neutral state
  // (-inf, 0, 0) in any other. _sinks_ has one number for each head, or none
  explicit SoftmaxState(const Shape& out, const std::vector<double>& sinks = {});

  // Absorbs a tile of scores S, (rows, keys), with values V, (keys, Dv), into the rows [row, row + S.rows()) of head h
  // of sequence b. The keys key_ranges[i] of the tile are visible to its row i.
  // Overwrites S with exp(S - m), 0 for hidden keys.
  void absorb(Index b, Index h, Index row, Scores<T> S, const std::vector<RowRange>& key_ranges,
              const Eigen::Ref<const Matrix<T>>& V);

  // Merges the state over another, disjoint set of keys into this one:
  //
  //   m' = max(m1, m2)
  //   l' = exp(m1 - m') l1 + exp(m2 - m') l2
  //   O' = exp(m1 - m') O1 + exp(m2 - m') O2
  //
  // Proof that (m', l', O') is the state over both sets:
  //   The largest score of the union is the larger of the two maxima: m' = max(m1, m2).
  //   For each key of set n, exp(S - mn) exp(mn - m') = exp(S - m'): the factor replaces mn by m' in every term.
  //   The sets are disjoint, so their sums add up to the sum over the union: l', and with the factor V in each term O'.
  // absorb() is the special case of a tile as the second set. The neutral state changes nothing: its l and O are 0.
  // FlashInfer (arXiv:2501.01005) merges partial results in the same way, in terms of out and lse.
  void merge(const SoftmaxState& other);

  // out = O / l and lse = m + log l; a row with no visible key has out = 0 and lse = -inf, or its sink
  AttentionOutput<T> finish() const;

  Index bytes() const { return m.bytes() + l.bytes() + O.bytes(); }
};

}  // namespace ringattn
