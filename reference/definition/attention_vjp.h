#pragma once

#include "reference/definition/attention.h"

namespace ringattn {

// What flows back into attention: the derivatives of the loss with respect to its results.
template <class T>
struct Cotangents {
  TensorView<const T> dout;  // (B, Sq, Hq, Dv)
  TensorView<const T> dlse;  // (B, Sq, Hq, 1); no data: zero
};

template <class T>
struct Gradients {
  Tensor<T> dq;  // (B, Sq,  Hq,  D)
  Tensor<T> dk;  // (B, Skv, Hkv, D),  summed over the query heads of the group
  Tensor<T> dv;  // (B, Skv, Hkv, Dv), summed over the query heads of the group
};

// The vector-Jacobian product of attention, materialised. _forward_ holds the out and lse of every key, so
// that rows or keys may be left out of _problem_: the gradients of those that stay are those of the whole.
//   P = exp(S - lse)   dP = dO V^T   delta = rowsum(dO * O)   dS = P * (dP - delta + dlse)
//   dQ = scale dS K    dK = scale dS^T Q    dV = P^T dO            (FlashAttention-2, arXiv:2307.08691,
//   section 3.1.2)
// The gradients of a row that sees no key are 0, whatever its dlse. Throws BadInput where the shapes
// disagree.
template <class T>
Gradients<T> attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                           const Cotangents<T>& cotangents);

template <class T>
void check(const Problem<T>& problem, const Cotangents<T>& cotangents);

}  // namespace ringattn
