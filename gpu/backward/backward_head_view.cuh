#pragma once

#include "gpu/backward/backward_step.h"
#include "gpu/tiles/head_view.cuh"

namespace ringattn::gpu {

// One query head of one device's step, with the head of keys and values that it uses: matrices whose rows are
// contiguous.
template <class T>
struct BackwardHeadView {
  const T *Q, *dO, *K, *V;                // (q_rows, d), (q_rows, dv), (kv_rows, d), (kv_rows, dv)
  const int *q_positions, *kv_positions;  // (q_rows), (kv_rows)
  int q_rows, kv_rows;
  const float *lse, *row_term;  // (q_rows)
  float *dQ, *dK, *dV;          // as Q, K, V
};

// _head_ counts over the sequences of the batch
template <class T>
__device__ BackwardHeadView<T> backward_head_view(const BackwardStep& step, int device, int head) {
  const DeviceBackward& s = step.device[device];
  const long long q = static_cast<long long>(head) * s.q_rows;
  const long long kv = static_cast<long long>(kv_head(step, head)) * s.kv_rows;
  return {static_cast<const T*>(s.Q) + q * step.d,
          static_cast<const T*>(s.dO) + q * step.dv,
          static_cast<const T*>(s.K) + kv * step.d,
          static_cast<const T*>(s.V) + kv * step.dv,
          s.q_positions,
          s.kv_positions,
          s.q_rows,
          s.kv_rows,
          s.lse + q,
          s.row_term + q,
          s.dQ + q * step.d,
          s.dK + kv * step.d,
          s.dV + kv * step.dv};
}

// The first of the query heads that use a head of keys and values; the others of the group follow it
__device__ inline int first_head_of(const BackwardStep& step, int kv_head) {
  return kv_head / step.Hkv * step.H + kv_head % step.Hkv * (step.H / step.Hkv);
}

}  // namespace ringattn::gpu
