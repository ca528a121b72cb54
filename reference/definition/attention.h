#pragma once

#include "reference/definition/problem.h"

namespace ringattn {

// The result of attention: what each query row reads, and the logarithm of its normaliser.
template <class T>
struct AttentionOutput {
  Tensor<T> out;  // (B, Sq, Hq, Dv)
  Tensor<T>
      lse;  // (B, Sq, Hq, 1), stored (B, Hq, Sq): natural log of the sum of exp(score); -inf: no key seen
};

// Full attention as it is defined, with the whole score matrix of a head in memory:
//   S = scale Q K^T, soft-cap, bias, mask;  P = softmax(S);  out = P V           (Vaswani et al.,
//   arXiv:1706.03762, eq. 1)
// A row that sees no key has out = 0 and lse = -inf. Throws BadInput where the shapes disagree.
template <class T>
AttentionOutput<T> attention(const Problem<T>& problem);

// The scores of one head before bias and mask, (Sq, Skv)
template <class T>
Matrix<T> capped_scores(const Problem<T>& problem, Index b, Index h);

// The scores of one head, (Sq, Skv); -inf where the key is hidden from the query
template <class T>
Matrix<T> scores(const Problem<T>& problem, Index b, Index h);

// P = exp(S - lse) of one head, (Sq, Skv); 0 where the key is hidden from the query
template <class T>
Matrix<T> probabilities(const Problem<T>& problem, const Tensor<T>& lse, Index b, Index h);

}  // namespace ringattn
