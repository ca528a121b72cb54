#pragma once

#include "gpu/kernels/fragment.cuh"
#include "gpu/kernels/ptx.cuh"
#include "gpu/kernels/visible.cuh"

namespace ringattn::gpu {

// The rows that a lane has of a fragment.
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

// The rows of a matrix of float32; zeros unless _wanted_, and where there are no such rows
template <int d>
__device__ void load_fragment(Fragment<d>& X, const float* matrix, const LaneRows& rows, bool wanted) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const bool there = wanted && rows.row[half] <= rows.last;
#pragma unroll
    for (int n = 0; n < d / 8; ++n)
#pragma unroll
      for (int e = 0; e < 2; ++e)
        X[n][2 * half + e] = there ? matrix[size_t(rows.row[half]) * d + 8 * n + 2 * rows.t + e] : 0;
  }
}

template <int d>
__device__ void store_fragment(const Fragment<d>& X, float* matrix, const LaneRows& rows) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (rows.row[half] > rows.last) continue;
#pragma unroll
    for (int n = 0; n < d / 8; ++n)
#pragma unroll
      for (int e = 0; e < 2; ++e)
        matrix[size_t(rows.row[half]) * d + 8 * n + 2 * rows.t + e] = X[n][2 * half + e];
  }
}

// -inf where a row does not see a column; the first column of the tile is _base_
template <int columns>
__device__ void mask_scores(Fragment<columns>& S, const LaneRows& rows, const Sight& sight, int base) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int position = sight.positions[min(rows.row[half], rows.last)];
#pragma unroll
    for (int n = 0; n < columns / 8; ++n)
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int j = base + 8 * n + 2 * rows.t + e;
        if (j >= sight.other_rows || !sees(sight.reach, position, sight.other_positions[j]))
          S[n][2 * half + e] = -INFINITY;
      }
  }
}

// Left factors, of 16 columns each: what a product leaves in registers is what the next one takes
template <class T, int columns>
__device__ void left_factors(uint32_t (&A)[columns / 16][4], const Fragment<columns>& X) {
#pragma unroll
  for (int k = 0; k < columns / 16; ++k) {
    const float(&low)[4] = X[2 * k], (&high)[4] = X[2 * k + 1];
    A[k][0] = pack(low[0], low[1], T()), A[k][1] = pack(low[2], low[3], T());
    A[k][2] = pack(high[0], high[1], T()), A[k][3] = pack(high[2], high[3], T());
  }
}

}  // namespace ringattn::gpu
