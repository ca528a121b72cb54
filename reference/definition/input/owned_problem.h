#pragma once

#include <type_traits>

#include "reference/definition/attention_vjp.h"
#include "reference/definition/dtype.h"
#include "reference/definition/input/padding.h"
#include "reference/definition/pair_tensor.h"

namespace ringattn {

// A problem of attention that owns its tensors, with the derivatives that flow back into it. It must outlive the
// views that problem() and cotangents() return.
template <class T>
struct OwnedProblem {
  Tensor<T> Q;     // (B, Sq,  Hq,  D)
  Tensor<T> K;     // (B, Skv, Hkv, D)
  Tensor<T> V;     // (B, Skv, Hkv, Dv)
  Tensor<T> dout;  // (B, Sq,  Hq,  Dv)
  Tensor<T> dlse;  // (B, Sq,  Hq,  1); empty: zero
  RowPositions q_positions, kv_positions;
  Scoring scoring;
  PairTensor<T> bias;        // optional, as in Problem
  PairTensor<bool> allowed;  // optional
  PairTensor<bool> keep;     // optional
  double dropout_p = 0;
  PaddedRows padded;  // the padding holds zeros, and positions that see nothing
  Dtype dtype =
      std::is_same_v<T, float> ? Dtype::f32 : Dtype::f64;  // storage type of Q, K, V, dout and the results

  Problem<T> problem() const {
    return {Q, K, V, q_positions, kv_positions, scoring, bias, allowed, {keep, dropout_p}};
  }
  Cotangents<T> cotangents() const { return {dout, dlse}; }
};

}  // namespace ringattn
