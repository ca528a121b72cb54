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
#include "gpu/kernels/warp_rows.cuh"

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

// S = Q K^T
template <class T, int d>
__device__ void multiply_scores(Fragment<key_rows>& S, const uint32_t (&Q)[d / 16][4],
                                SwizzledTile<T, key_rows, d>& K) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int n = 0; n < key_rows / 8; ++n) S[n][0] = S[n][1] = S[n][2] = S[n][3] = 0;
#pragma unroll
  for (int c = 0; c < d / 16; ++c)
#pragma unroll
    for (int n = 0; n < key_rows / 16; ++n) {
      uint32_t B[4];  // keys 0-7 at columns 0-7 and 8-15, keys 8-15 likewise
      load_matrices(B, K.chunk(16 * n + lane / 16 * 8 + lane % 8, 2 * c + lane / 8 % 2));
      multiply_add(S[2 * n], Q[c], B[0], B[1], T());
      multiply_add(S[2 * n + 1], Q[c], B[2], B[3], T());
    }
}

// O += P V
template <class T, int d>
__device__ void multiply_values(Fragment<d>& O, const uint32_t (&P)[key_rows / 16][4],
                                SwizzledTile<T, key_rows, d>& V) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int k = 0; k < key_rows / 16; ++k)
#pragma unroll
    for (int c = 0; c < d / 16; ++c) {
      uint32_t B[4];  // columns 0-7 at keys 0-7 and 8-15, columns 8-15 likewise
      load_matrices_transposed(B, V.chunk(16 * k + lane % 16, 2 * c + lane / 16));
      multiply_add(O[2 * c], P[k], B[0], B[1], T());
      multiply_add(O[2 * c + 1], P[k], B[2], B[3], T());
    }
}

template <class T, int d>
__global__ void __launch_bounds__(threads, 2) tensor_cores(const __grid_constant__ AttentionStep step) {
  const HeadStep<T> at = head_step<T>(step, blockIdx.z, blockIdx.y);
  const int first = blockIdx.x * query_rows, last = min(first + query_rows, at.q_rows) - 1;
  if (first >= at.q_rows) return;
  auto& shared = *shared_memory<Shared<T, d>>();
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const VisibleKeys keys = visible_keys(step.reach, at, first, last, key_rows);

  send_for(shared.Q, at.Q, first, at.q_rows);
  commit_copies();
  send_for(shared.K[0], at.K, keys.any.begin, at.kv_rows);
  send_for(shared.V[0], at.V, keys.any.begin, at.kv_rows);
  commit_copies();

  WarpRows<d> rows = load_rows<T, d>(step, at, first + 16 * warp, last);
  uint32_t Q[d / 16][4];
  wait_for_copies<1>();
  __syncthreads();
#pragma unroll
  for (int c = 0; c < d / 16; ++c)
    load_matrices(Q[c], shared.Q.chunk(16 * warp + lane % 16, 2 * c + lane / 16));

  for (int base = keys.any.begin, stage = 0; base < keys.any.end; base += key_rows, stage ^= 1) {
    wait_for_copies<0>();
    __syncthreads();  // this tile has arrived, and nobody uses the other any more
    if (base + key_rows < keys.any.end) {
      send_for(shared.K[stage ^ 1], at.K, base + key_rows, at.kv_rows);
      send_for(shared.V[stage ^ 1], at.V, base + key_rows, at.kv_rows);
      commit_copies();
    }
    Fragment<key_rows> S;
    multiply_scores<T, d>(S, Q, shared.K[stage]);
    if (!keys.all_see(base, key_rows)) mask_scores<T, key_rows>(S, rows, step.reach, at, base);
    shrink<d>(rows.O, soften<key_rows>(S, rows, step.scale * log2_e));
    uint32_t P[key_rows / 16][4];
    left_factors<T, key_rows>(P, S);
    multiply_values<T, d>(rows.O, P, shared.V[stage]);
  }
  wait_for_copies<0>();
  store_rows(step, at, rows);
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
  with_16_bit_tiles(step, [&]<class T, int d>() {
    launch(tensor_cores<T, d>, query_grid(step, query_rows), threads, sizeof(Shared<T, d>), stream, step);
  });
}

}  // namespace ringattn::gpu
