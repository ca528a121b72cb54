#pragma once

#include "gpu/kernels/attention_step.h"

namespace ringattn::gpu {

// One head of one device's step: matrices whose rows are neighbours.
template <class T>
struct HeadStep {
  const T *Q, *K, *V;                     // (q_rows, d), (kv_rows, d), (kv_rows, dv)
  const int *q_positions, *kv_positions;  // (q_rows), (kv_rows)
  int q_rows, kv_rows;
  float *m, *l, *O;  // (q_rows), (q_rows), (q_rows, dv)
  T* out;            // (q_rows, dv)
  float* lse;        // (q_rows)
};

// _head_ counts over the sequences of the batch: b H + h. Neighbouring query heads share a head of K and V
template <class T>
__device__ HeadStep<T> head_step(const AttentionStep& step, int device, int head) {
  const DeviceStep& s = step.device[device];
  const int b = head / step.H, h = head % step.H;
  const long long q = static_cast<long long>(head) * s.q_rows;
  const long long kv = static_cast<long long>(b * step.Hkv + h / (step.H / step.Hkv)) * s.kv_rows;
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
