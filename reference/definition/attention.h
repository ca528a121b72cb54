#pragma once

#include "reference/definition/problem.h"

namespace ringattn {

// The result of attention: the output of each query row, and the logarithm of the row's normaliser.
template <class T>
struct AttentionOutput {
  Tensor<T> out;  // (B, Sq, Hq, Dv)
  Tensor<T> lse;  // (B, Sq, Hq, 1), stored (B, Hq, Sq): log of the sum of exp(S) and exp(sink); -inf: no term
};

// Full attention, straight from its definition. The equations are in attention.cpp. The whole score matrix of one
// head, Sq x Skv, is held in memory; blockwise_attention() and the ring give the same result without it.
// A row with no visible key has out = 0 and lse = -inf, or the sink of its head.
// Throws BadInput if the shapes disagree.
template <class T>
AttentionOutput<T> attention(const Problem<T>& problem);

// The steps of attention(), for one query head h of one sequence b. All results are (Sq, Skv).

// Scaled and soft-capped scores, before ALiBi, bias and mask
template <class T>
Matrix<T> capped_scores(const Problem<T>& problem, Index b, Index h);

// The same with ALiBi, before bias and mask
template <class T>
Matrix<T> unmasked_scores(const Problem<T>& problem, Index b, Index h);

// Final scores S, with bias; -inf if the key is hidden from the query
template <class T>
Matrix<T> scores(const Problem<T>& problem, Index b, Index h);

// Probabilities P = exp(S - lse); 0 if the key is hidden from the query
template <class T>
Matrix<T> probabilities(const Problem<T>& problem, const Tensor<T>& lse, Index b, Index h);

// Multiplies the pairs by keep / (1 - p); without dropout, it leaves them as they are
template <class T>
void drop(const Problem<T>& problem, Index b, Index h, Matrix<T>& pairs);

}  // namespace ringattn
