// Rung 3: the tensor cores multiply.
//
// New      Q K^T and P V are products of 16 x 16 x 8 on the tensor cores; a warp has 16 queries, whose O and
//          whose scores stay in its registers, where P of one product is as it is the left factor of the next
//          (FlashAttention-2, arXiv:2307.08691, section 3.3). The next tile of keys is on its way while this
//          one is in use.
// Bought   unmeasured.
// Wasted   each warp loads all keys and values from shared memory into its registers; on Hopper the tensor
//          cores would read them there themselves. The softmax and the products take turns.
// Next     warpgroups and the copy engine of Hopper.

#include <cuda_runtime.h>

#include "gpu/kernels/element.cuh"
#include "gpu/kernels/head_step.cuh"
#include "gpu/kernels/launch.cuh"
#include "gpu/kernels/ptx.cuh"
#include "gpu/kernels/rungs.h"
#include "gpu/kernels/softmax.cuh"
#include "gpu/kernels/visible.cuh"

namespace ringattn::gpu {

namespace {

constexpr int warps = 4, threads = 32 * warps;
constexpr int query_rows = 16 * warps, key_rows = 64;
constexpr int stages = 2;  // tiles of keys in shared memory: one in use, one on its way

// A tile whose rows are chunks of 8 elements, 16 bytes. Chunk c of row r lies in the place of chunk c ^ r %
// 8, so that 8 rows of one column of chunks lie in 8 different quarters of the banks
template <class T, int rows, int d>
struct SwizzledTile {
  T elements[rows * d];

  __device__ T* chunk(int row, int column) { return elements + row * d + 8 * (column ^ (row % 8)); }
};

template <class T, int d>
struct Shared {
  SwizzledTile<T, query_rows, d> Q;
  SwizzledTile<T, key_rows, d> K[stages], V[stages];
};

// Sends for the rows from _base_ of a matrix of _rows_ rows; zeros where there are no such rows, because
// 0 x NaN is NaN
template <class T, int count, int d>
__device__ void send_for(SwizzledTile<T, count, d>& tile, const T* matrix, int base, int rows) {
  for (int x = threadIdx.x; x < count * d / 8; x += threads) {
    const int r = x / (d / 8), c = x % (d / 8);
    const bool wanted = base + r < rows;
    copy_16_bytes(tile.chunk(r, c), matrix + (wanted ? size_t(base + r) * d + 8 * c : 0), wanted);
  }
}

// One warp's 16 queries as the tensor cores hold them: this lane has the rows g and g + 8, and of each 8
// columns the two from 2t
template <class T, int d>
struct Rows {
  uint32_t Q[d / 16][4];
  float S[key_rows / 8][4];
  float O[d / 8][4] = {};
  float m[2] = {-INFINITY, -INFINITY}, l[2] = {};
};

// S = Q K^T
template <class T, int d>
__device__ void multiply_scores(Rows<T, d>& rows, SwizzledTile<T, key_rows, d>& K) {
  const int lane = threadIdx.x % 32;
  for (auto& S : rows.S) S[0] = S[1] = S[2] = S[3] = 0;
#pragma unroll
  for (int c = 0; c < d / 16; ++c)
#pragma unroll
    for (int n = 0; n < key_rows / 16; ++n) {
      uint32_t B[4];  // keys 0-7 at columns 0-7 and 8-15, keys 8-15 likewise
      load_matrices(B, K.chunk(16 * n + lane / 16 * 8 + lane % 8, 2 * c + lane / 8 % 2));
      multiply_add(rows.S[2 * n], rows.Q[c], B[0], B[1], T());
      multiply_add(rows.S[2 * n + 1], rows.Q[c], B[2], B[3], T());
    }
}

// The largest and the sum over the four lanes that share a row
__device__ float max_of_row(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffff, x, 2));
}
__device__ float sum_of_row(float x) {
  x += __shfl_xor_sync(0xffffffff, x, 1);
  return x + __shfl_xor_sync(0xffffffff, x, 2);
}

// m_new = max(m, rowmax(S))   P = exp(S - m_new), in the place of S   l = exp(m - m_new) l + rowsum(P)
// O = exp(m - m_new) O
template <class T, int d>
__device__ void soften(Rows<T, d>& rows, float scale) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float largest = -INFINITY;
    for (auto& S : rows.S) largest = fmaxf(largest, fmaxf(S[2 * half], S[2 * half + 1]));
    const float m_new = fmaxf(rows.m[half], scale * max_of_row(largest));
    // A row that has seen no key: -inf - 0 instead of -inf - -inf
    const float subtrahend = m_new == -INFINITY ? 0 : m_new;
    float row_sum = 0;
    for (auto& S : rows.S)
      for (int e = 2 * half; e < 2 * half + 2; ++e) {
        S[e] = power_of_two(scale * S[e] - subtrahend);
        row_sum += S[e];
      }
    const float alpha = power_of_two(rows.m[half] - subtrahend);
    rows.l[half] = alpha * rows.l[half] + sum_of_row(row_sum);
    rows.m[half] = m_new;
    for (auto& O : rows.O) O[2 * half] *= alpha, O[2 * half + 1] *= alpha;
  }
}

// O += P V
template <class T, int d>
__device__ void multiply_values(Rows<T, d>& rows, SwizzledTile<T, key_rows, d>& V) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < key_rows / 16; ++k) {
    const float(&left)[4] = rows.S[2 * k], (&right)[4] = rows.S[2 * k + 1];
    const uint32_t P[4] = {pack(left[0], left[1], T()), pack(left[2], left[3], T()),
                           pack(right[0], right[1], T()), pack(right[2], right[3], T())};
#pragma unroll
    for (int c = 0; c < d / 16; ++c) {
      uint32_t B[4];  // columns 0-7 at keys 0-7 and 8-15, columns 8-15 likewise
      load_matrices_transposed(B, V.chunk(16 * k + lane % 16, 2 * c + lane / 16));
      multiply_add(rows.O[2 * c], P, B[0], B[1], T());
      multiply_add(rows.O[2 * c + 1], P, B[2], B[3], T());
    }
  }
}

template <class T, int d>
__global__ void __launch_bounds__(threads) tensor_cores(const __grid_constant__ AttentionStep step) {
  const HeadStep<T> at = head_step<T>(step, blockIdx.z, blockIdx.y);
  const int first = blockIdx.x * query_rows, last = min(first + query_rows, at.q_rows) - 1;
  if (first >= at.q_rows) return;
  auto& shared = *shared_memory<Shared<T, d>>();
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const int row[2] = {first + 16 * warp + g, first + 16 * warp + g + 8};
  const KeyRange keys = visible_keys(step.reach, at.q_positions, first, last, at.kv_positions, at.kv_rows);
  const int begin = keys.begin / key_rows * key_rows;

  send_for(shared.Q, at.Q, first, at.q_rows);
  commit_copies();
  send_for(shared.K[0], at.K, begin, at.kv_rows);
  send_for(shared.V[0], at.V, begin, at.kv_rows);
  commit_copies();

  Rows<T, d> rows;
  for (int half = 0; half < 2; ++half)
    if (!step.first && row[half] <= last) {
      rows.m[half] = at.m[row[half]], rows.l[half] = at.l[row[half]];
      for (int n = 0; n < d / 8; ++n)
        for (int e = 0; e < 2; ++e) rows.O[n][2 * half + e] = at.O[size_t(row[half]) * d + 8 * n + 2 * t + e];
    }
  wait_for_copies<1>();
  __syncthreads();
#pragma unroll
  for (int c = 0; c < d / 16; ++c)
    load_matrices(rows.Q[c], shared.Q.chunk(16 * warp + lane % 16, 2 * c + lane / 16));

  for (int base = begin, stage = 0; base < keys.end; base += key_rows, stage ^= 1) {
    wait_for_copies<0>();
    __syncthreads();  // this tile has arrived, and nobody uses the other any more
    if (base + key_rows < keys.end) {
      send_for(shared.K[stage ^ 1], at.K, base + key_rows, at.kv_rows);
      send_for(shared.V[stage ^ 1], at.V, base + key_rows, at.kv_rows);
      commit_copies();
    }
    multiply_scores(rows, shared.K[stage]);

    const KeyRange tile{base, min(base + key_rows, at.kv_rows)};
    if (base + key_rows > at.kv_rows ||
        !all_visible(step.reach, at.q_positions, first, last, at.kv_positions, tile))
      for (int n = 0; n < key_rows / 8; ++n)
        for (int e = 0; e < 4; ++e) {
          const int i = min(row[e / 2], last), j = base + 8 * n + 2 * t + e % 2;
          const bool seen = j < at.kv_rows && sees(step.reach, at.q_positions[i], at.kv_positions[j]);
          if (!seen) rows.S[n][e] = -INFINITY;
        }

    soften(rows, step.scale * log2_e);
    multiply_values(rows, shared.V[stage]);
  }

  for (int half = 0; half < 2; ++half) {
    const int i = row[half];
    if (i > last) continue;
    if (t == 0) at.m[i] = rows.m[half], at.l[i] = rows.l[half];
    if (t == 0 && step.last) at.lse[i] = lse_of(rows.m[half], rows.l[half]);
    for (int n = 0; n < d / 8; ++n)
      for (int e = 0; e < 2; ++e) {
        const size_t place = size_t(i) * d + 8 * n + 2 * t + e;
        at.O[place] = rows.O[n][2 * half + e];
        if (step.last) at.out[place] = to_element<T>(rows.O[n][2 * half + e] * normaliser(rows.l[half]));
      }
  }
  wait_for_copies<0>();
}

}  // namespace

std::string tensor_cores_refuses(const AttentionStep& step) {
  if (step.element == Element::f32) return "the tensor cores multiply bf16 and f16, not f32";
  if (step.d != step.dv || (step.d != 64 && step.d != 128))
    return "its tiles have 64 or 128 columns, in Q, K and V alike";
  if (!(step.scale > 0))
    return "it takes the largest score before it scales it, so the scale must be positive";
  return {};
}

void launch_tensor_cores(const AttentionStep& step, cudaStream_t stream) {
  const auto with_columns = [&]<class T, int d>() {
    launch(tensor_cores<T, d>, grid_of(step, query_rows), threads, sizeof(Shared<T, d>), stream, step);
  };
  const auto with_type = [&]<class T>() {
    return step.d == 64 ? with_columns.template operator()<T, 64>()
                        : with_columns.template operator()<T, 128>();
  };
  return step.element == Element::bf16 ? with_type.template operator()<bf16>()
                                       : with_type.template operator()<f16>();
}

}  // namespace ringattn::gpu
