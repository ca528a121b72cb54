#pragma once

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// One head of one device's step: matrices whose rows are neighbours.
template <class T>
struct HeadView {
  const T *Q, *K, *V;                     // (q_rows, d), (kv_rows, d), (kv_rows, dv)
  const int *q_positions, *kv_positions;  // (q_rows), (kv_rows)
  int q_rows, kv_rows;
  float *m, *l, *O;  // (q_rows), (q_rows), (q_rows, dv)
  T* out;            // (q_rows, dv)
  float* lse;        // (q_rows)
};

// The head of K and V that query head _head_ uses, as its neighbours do; both count over the sequences of the
// batch: b H + h
template <class Step>
__device__ int kv_head(const Step& step, int head) {
  return head / step.H * step.Hkv + head % step.H / (step.H / step.Hkv);
}

// _head_ counts over the sequences of the batch
template <class T>
__device__ HeadView<T> head_view(const AttentionStep& step, int device, int head) {
  const DeviceStep& s = step.device[device];
  const long long q = static_cast<long long>(head) * s.q_rows;
  const long long kv = static_cast<long long>(kv_head(step, head)) * s.kv_rows;
  return {static_cast<const T*>(s.Q) + q * step.d,
          static_cast<const T*>(s.K) + kv * step.d,
          static_cast<const T*>(s.V) + kv * step.dv,
          s.q_positions,
          s.kv_positions,
          s.q_rows,
          s.kv_rows,
          s.m + q,
          s.l + q,
          s.O + q * step.dv,
          static_cast<T*>(s.out) + q * step.dv,
          s.lse + q};
}

}  // namespace ringattn::gpu
