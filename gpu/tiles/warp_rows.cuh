#pragma once

#include "gpu/primitives/element.cuh"
#include "gpu/tiles/head_view.cuh"
#include "gpu/tiles/lane_rows.cuh"
#include "gpu/tiles/softmax.cuh"

namespace ringattn::gpu {

// The softmax state of the 16 queries of a warp.
template <int d>
struct WarpRows : LaneRows {
  Fragment<d> O;
  float m[2], l[2];
};

// ---- Between memory and registers -----------------------------------------------------

// Loads the 16 rows from _first_ on
template <class T, int d>
__device__ WarpRows<d> load_rows(const AttentionStep& step, const HeadView<T>& at, int first, int last) {
  WarpRows<d> rows;
  static_cast<LaneRows&>(rows) = lane_rows(first, last);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int i = rows.row[half];
    const bool there = !step.first && i <= last;
    rows.m[half] = there ? at.m[i] : -INFINITY;
    rows.l[half] = there ? at.l[i] : 0;
  }
  load_fragment<d>(rows.O, at.O, rows, !step.first);
  return rows;
}

// out = O / l
template <class T, int d>
__device__ void store_quotient(T* out, const WarpRows<d>& rows) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (rows.row[half] > rows.last) continue;
    const float factor = normaliser(rows.l[half]);
    T* const row = out + size_t(rows.row[half]) * d + 2 * rows.t;
#pragma unroll
    for (int n = 0; n < d / 8; ++n)
      *reinterpret_cast<uint32_t*>(row + 8 * n) =
          pack(rows.O[n][2 * half] * factor, rows.O[n][2 * half + 1] * factor, T());
  }
}

// Stores m and l, and O or, after the last step of the ring, the results
template <class T, int d>
__device__ void store_rows(const AttentionStep& step, const HeadView<T>& at, const WarpRows<d>& rows) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int i = rows.row[half];
    if (i > rows.last || rows.t != 0) continue;
    at.m[i] = rows.m[half], at.l[i] = rows.l[half];
    if (step.last) at.lse[i] = lse_of(rows.m[half], rows.l[half]);
  }
  if (step.last)
    store_quotient(at.out, rows);
  else
    store_fragment<d>(rows.O, at.O, rows);
}

// ---- The online softmax -----------------------------------------------------------------

// The factors that rescale O, one for each of the two rows of a lane
struct Alpha {
  float of[2];
};

// m_new = max(m, rowmax(S))   P = exp(S - m_new), overwrites S   l = exp(m - m_new) l + rowsum(P)
// _scale_ is the scale of the scores times log2(e). It must be positive: the maximum is taken before scaling
template <int keys, int d>
__device__ Alpha online_softmax(Fragment<keys>& S, WarpRows<d>& rows, float scale) {
  Alpha alpha;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float largest = -INFINITY;
#pragma unroll
    for (int n = 0; n < keys / 8; ++n) largest = fmaxf(largest, fmaxf(S[n][2 * half], S[n][2 * half + 1]));
    const float m_new = fmaxf(rows.m[half], scale * quad_max(largest));
    // A row without visible keys: -inf - 0 = -inf, because -inf - -inf would be NaN
    const float finite_max = m_new == -INFINITY ? 0 : m_new;

    float row_sum = 0;
#pragma unroll
    for (int n = 0; n < keys / 8; ++n)
#pragma unroll
      for (int e = 2 * half; e < 2 * half + 2; ++e) {
        S[n][e] = exp2_approx(fmaf(scale, S[n][e], -finite_max));
        row_sum += S[n][e];
      }
    alpha.of[half] = exp2_approx(rows.m[half] - finite_max);
    rows.l[half] = alpha.of[half] * rows.l[half] + quad_sum(row_sum);
    rows.m[half] = m_new;
  }
  return alpha;
}

// O = alpha O
template <int d>
__device__ void rescale(Fragment<d>& O, const Alpha& alpha) {
#pragma unroll
  for (int n = 0; n < d / 8; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) O[n][e] *= alpha.of[e / 2];
}

}  // namespace ringattn::gpu
