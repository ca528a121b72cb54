#pragma once

#include "reference/definition/attention.h"

namespace ringattn {

// The inputs of the backward pass: derivatives of the loss with respect to the results of attention.
template <class T>
struct Cotangents {
  TensorView<const T> dout;  // (B, Sq, Hq, Dv)
  TensorView<const T> dlse;  // (B, Sq, Hq, 1); no data: zero
};

// Derivatives of the loss with respect to the inputs of attention.
template <class T>
struct Gradients {
  Tensor<T> dq;           // (B, Sq,  Hq,  D)
  Tensor<T> dk;           // (B, Skv, Hkv, D),  summed over the query heads that share the K/V head
  Tensor<T> dv;           // (B, Skv, Hkv, Dv), summed over the query heads that share the K/V head
  Tensor<T> dsinks = {};  // (1, 1, Hq, 1), summed over sequences and query rows; empty without sinks
};

// The vector-Jacobian product of attention, with whole matrices of one head in memory. The equations stand in
// attention_vjp.cpp. _forward_ is the result over all keys. _problem_ may hold only some of the query rows or keys:
// the gradients of the rows that remain are those of the full problem.
// The gradients of a row with no visible key are 0; its dlse is ignored.
// Throws BadInput if the shapes disagree.
template <class T>
Gradients<T> attention_vjp(const Problem<T>& problem, const AttentionOutput<T>& forward,
                           const Cotangents<T>& cotangents);

// The contribution of some rows of one head to the gradient of its sink, from lse and row_term = dlse - delta of the
// rows, (rows) each. The equation stands in attention_vjp.cpp.
template <class T>
T sink_gradient(double sink, const Vector<T>& lse, const Vector<T>& row_term);

// The gradients of sinks before the first row: zeros, or an empty tensor if _scoring_ has no sinks
template <class T>
Tensor<T> zero_sink_gradients(const Scoring& scoring);

// Throws BadInput unless the problem is consistent and the cotangents have the shapes of its results
template <class T>
void check(const Problem<T>& problem, const Cotangents<T>& cotangents);

}  // namespace ringattn
