#pragma once

#include "gpu/primitives/element.cuh"
#include "gpu/primitives/ptx.cuh"

namespace ringattn::gpu {

// A tile whose rows are chunks of 8 elements, 16 bytes. Chunk c of row r is stored at chunk c ^ (r % 8), so that
// ldmatrix reads 8 rows of one column of chunks without bank conflicts:
//
//            chunk stored at place  0 1 2 3 4 5 6 7
//   row 0                           0 1 2 3 4 5 6 7
//   row 1                           1 0 3 2 5 4 7 6
//   row 2                           2 3 0 1 6 7 4 5   ...
template <class T, int rows, int d>
struct SwizzledTile {
  T elements[rows * d];

  __device__ T* chunk(int row, int column) { return elements + row * d + 8 * (column ^ (row % 8)); }

  // 16 rows from _row_ on and 16 columns from column 16 c on, as the left operand of a product
  __device__ void load_a_operand(uint32_t (&A)[4], int row, int c) {
    const int lane = threadIdx.x % 32;
    ldmatrix(A, chunk(row + lane % 16, 2 * c + lane / 16));
  }
};

// Starts copies of the rows from _base_ on of a matrix of _rows_ rows. Missing rows become zeros, because 0 x NaN is
// NaN. Called by all threads of the block
template <int threads, class T, int count, int d>
__device__ void load_async(SwizzledTile<T, count, d>& tile, const T* matrix, int base, int rows) {
  for (int x = threadIdx.x; x < count * d / 8; x += threads) {
    const int r = x / (d / 8), c = x % (d / 8);
    const bool wanted = base + r < rows;
    cp_async_16(tile.chunk(r, c), matrix + (wanted ? size_t(base + r) * d + 8 * c : 0), wanted);
  }
}

// S = Q K^T with a warp's 16 rows of Q; _left_(c) is their left operand of 16 columns from column 16 c on
template <int keys, class Left, class T, int d>
__device__ void multiply_scores(Fragment<keys>& S, Left&& left, SwizzledTile<T, keys, d>& K) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int n = 0; n < keys / 8; ++n) S[n][0] = S[n][1] = S[n][2] = S[n][3] = 0;
#pragma unroll
  for (int c = 0; c < d / 16; ++c) {
    const auto& Q = left(c);
#pragma unroll
    for (int n = 0; n < keys / 16; ++n) {
      uint32_t B[4];  // keys 0-7 at columns 0-7 and 8-15, keys 8-15 likewise
      ldmatrix(B, K.chunk(16 * n + lane / 16 * 8 + lane % 8, 2 * c + lane / 8 % 2));
      mma(S[2 * n], Q, B[0], B[1], T());
      mma(S[2 * n + 1], Q, B[2], B[3], T());
    }
  }
}

// The same with the 16 rows of a tile from _row_ on
template <int keys, class T, int rows, int d>
__device__ void multiply_scores(Fragment<keys>& S, SwizzledTile<T, rows, d>& Q, int row,
                                SwizzledTile<T, keys, d>& K) {
  uint32_t A[4];
  const auto left = [&](int c) -> const auto& {
    Q.load_a_operand(A, row, c);
    return A;
  };
  multiply_scores<keys>(S, left, K);
}

// O += P V with P of a warp's 16 rows
template <int d, class T, int keys>
__device__ void multiply_values(Fragment<d>& O, const uint32_t (&P)[keys / 16][4],
                                SwizzledTile<T, keys, d>& V) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < keys / 16; ++k)
#pragma unroll
    for (int c = 0; c < d / 16; ++c) {
      uint32_t B[4];  // columns 0-7 at keys 0-7 and 8-15, columns 8-15 likewise
      ldmatrix_transposed(B, V.chunk(16 * k + lane % 16, 2 * c + lane / 16));
      mma(O[2 * c], P[k], B[0], B[1], T());
      mma(O[2 * c + 1], P[k], B[2], B[3], T());
    }
}

}  // namespace ringattn::gpu
