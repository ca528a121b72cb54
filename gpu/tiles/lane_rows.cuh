#pragma once

#include "gpu/primitives/element.cuh"
#include "gpu/primitives/ptx.cuh"
#include "gpu/tiles/visibility.cuh"

namespace ringattn::gpu {

// The two rows of a fragment that a lane holds.
struct LaneRows {
  int row[2];  // of the device; the same for all four lanes that share it
  int last;    // of the tile; rows after it do not exist
  int t;       // lane % 4
};

// Of the 16 rows from _first_ on
__device__ inline LaneRows lane_rows(int first, int last) {
  const int row = first + threadIdx.x % 32 / 4;
  return {{row, row + 8}, last, static_cast<int>(threadIdx.x % 4)};
}

// Loads rows of a float32 matrix; zeros unless _wanted_, and for missing rows. Each lane moves two adjacent elements at
// a time, so that four lanes together move a whole sector of 32 bytes
template <int d>
__device__ void load_fragment(Fragment<d>& X, const float* matrix, const LaneRows& rows, bool wanted) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const bool there = wanted && rows.row[half] <= rows.last;
    const float* const row = matrix + size_t(rows.row[half]) * d + 2 * rows.t;
#pragma unroll
    for (int n = 0; n < d / 8; ++n) {
      const float2 pair = there ? *reinterpret_cast<const float2*>(row + 8 * n) : float2{0, 0};
      X[n][2 * half] = pair.x, X[n][2 * half + 1] = pair.y;
    }
  }
}

template <int d>
__device__ void store_fragment(const Fragment<d>& X, float* matrix, const LaneRows& rows) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (rows.row[half] > rows.last) continue;
    float* const row = matrix + size_t(rows.row[half]) * d + 2 * rows.t;
#pragma unroll
    for (int n = 0; n < d / 8; ++n)
      *reinterpret_cast<float2*>(row + 8 * n) = {X[n][2 * half], X[n][2 * half + 1]};
  }
}

// S = -inf where a row does not attend to a column; the first column of the tile is _base_. The lanes load all
// positions at once and exchange them by shuffles
template <int columns>
__device__ void mask_scores(Fragment<columns>& S, const LaneRows& rows, const Visibility& visibility,
                            int base) {
  const int lane = threadIdx.x % 32;
  const int positions[2] = {visibility.positions[min(rows.row[0], rows.last)],
                            visibility.positions[min(rows.row[1], rows.last)]};
  int others[columns / 32];
#pragma unroll
  for (int k = 0; k < columns / 32; ++k) {
    const int j = base + 32 * k + lane;
    others[k] = j < visibility.other_rows ? visibility.other_positions[j] : Window::masked_position;
  }
#pragma unroll
  for (int n = 0; n < columns / 8; ++n)
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int other = __shfl_sync(0xffffffff, others[n / 4], n % 4 * 8 + 2 * rows.t + e);
#pragma unroll
      for (int half = 0; half < 2; ++half)
        if (!can_attend(visibility.window, positions[half], other)) S[n][2 * half + e] = -INFINITY;
    }
}

// Rounds a fragment to left operands of 16 columns each: the accumulator layout is that of the next left operand
template <class T, int columns>
__device__ void to_a_operand(uint32_t (&A)[columns / 16][4], const Fragment<columns>& X) {
#pragma unroll
  for (int k = 0; k < columns / 16; ++k) {
    const float(&low)[4] = X[2 * k], (&high)[4] = X[2 * k + 1];
    A[k][0] = pack(low[0], low[1], T()), A[k][1] = pack(low[2], low[3], T());
    A[k][2] = pack(high[0], high[1], T()), A[k][3] = pack(high[2], high[3], T());
  }
}

}  // namespace ringattn::gpu
