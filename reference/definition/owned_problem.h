#pragma once

#include <type_traits>

#include "reference/definition/attention_vjp.h"
#include "reference/definition/dtype.h"

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
  Dtype dtype =
      std::is_same_v<T, float> ? Dtype::f32 : Dtype::f64;  // storage type of Q, K, V, dout and the results

  Problem<T> problem() const { return {Q, K, V, q_positions, kv_positions, scoring, {}, {}}; }
  Cotangents<T> cotangents() const { return {dout, dlse}; }
};

}  // namespace ringattn
