// Rung 2: tiles in shared memory, and the online softmax.
//
// New      a thread block has a tile of queries and loops over tiles of keys, which all its queries share. When a
//          larger score is found, the online softmax rescales the sums (Milakov and Gimelshein, arXiv:1805.02867,
//          Algorithm 3; as used by FlashAttention, arXiv:2205.14135, Algorithm 1), so each score is computed once
//          and none is stored.
// Bought   each key is read from global memory once for 64 queries.
// Wasted   the products run on the float32 units, which have a fifteenth of the throughput of the tensor cores.
// Next     the same tiles, multiplied by tensor cores.
//
//                 keys   base   base + 32
//                      ┌──────┬──────┬──────
//   queries  first     │  S   │  S   │  ...      a thread block: 64 queries x 32 keys at a time
//            ...       │      │      │           a thread: a quarter of the columns of one row
//            first+63  └──────┴──────┴──────

#include <cuda_runtime.h>

#include "gpu/kernels/ladder.h"
#include "gpu/primitives/element.cuh"
#include "gpu/primitives/launch.cuh"
#include "gpu/primitives/ptx.cuh"
#include "gpu/tiles/head_view.cuh"
#include "gpu/tiles/softmax.cuh"
#include "gpu/tiles/visibility.cuh"

namespace ringattn::gpu {

namespace {

constexpr int query_rows = 64, key_rows = 32;
constexpr int lanes = 4;  // adjacent threads of a warp that share a query
constexpr int threads = query_rows * lanes;
constexpr int scores = key_rows / lanes;  // of each thread

// Each row has one element of padding, so that the elements of a column lie in different banks
template <int d>
struct Shared {
  float Q[query_rows][d + 1], K[key_rows][d + 1], V[key_rows][d + 1], P[query_rows][key_rows + 1];
};

// Loads rows [base, base + count) of a matrix as float32. Missing rows become zeros: uninitialized values could be
// NaN, and 0 x NaN is NaN
template <int d, class T>
__device__ void load(float (*tile)[d + 1], int count, const T* matrix, int base, int rows) {
  for (int x = threadIdx.x; x < count * d; x += threads) {
    const int r = x / d, c = x % d;
    tile[r][c] = base + r < rows ? to_float(matrix[size_t(base + r) * d + c]) : 0;
  }
}

template <class T, int d>
__global__ void __launch_bounds__(threads) tiled(const __grid_constant__ AttentionStep step) {
  const HeadView<T> at = head_view<T>(step, blockIdx.z, blockIdx.y);
  const int first = blockIdx.x * query_rows, last = min(first + query_rows, at.q_rows) - 1;
  if (first >= at.q_rows) return;
  auto& shared = *shared_memory<Shared<d>>();

  // The row of this thread, and every _lanes_-th of its columns. Threads beyond the last row repeat that row
  const int r = threadIdx.x / lanes, lane = threadIdx.x % lanes, i = min(first + r, last);
  float m = step.first ? -INFINITY : at.m[i], l = step.first ? 0 : at.l[i], O[d / lanes];
#pragma unroll
  for (int n = 0; n < d / lanes; ++n) O[n] = step.first ? 0 : at.O[size_t(i) * d + lane + lanes * n];
  load<d>(shared.Q, query_rows, at.Q, first, at.q_rows);

  // Loop over the tiles of keys that at least one of the queries attends to
  const RowRange keys = visible_keys(step.window, at, first, last, key_rows).any;
  for (int base = keys.begin; base < keys.end; base += key_rows) {
    __syncthreads();  // all threads have finished with the previous tile
    load<d>(shared.K, key_rows, at.K, base, at.kv_rows);
    load<d>(shared.V, key_rows, at.V, base, at.kv_rows);
    __syncthreads();

    // S = scale Q K^T, -inf where the key is masked
    float S[scores], m_new = m;
#pragma unroll
    for (int n = 0; n < scores; ++n) {
      const int k = lane + lanes * n, j = base + k;
      float dot = 0;
      for (int c = 0; c < d; ++c) dot += shared.Q[r][c] * shared.K[k][c];
      const bool seen = j < at.kv_rows && can_attend(step.window, at.q_positions[i], at.kv_positions[j]);
      S[n] = seen ? step.scale * log2_e * dot : -INFINITY;
      m_new = fmaxf(m_new, S[n]);
    }

    // m_new = max(m, rowmax(S))   P = exp(S - m_new)   l = exp(m - m_new) l + rowsum(P)
    m_new = quad_max(m_new);
    const float alpha = alpha_of(m, m_new);
    float row_sum = 0;
#pragma unroll
    for (int n = 0; n < scores; ++n) {
      const float P = S[n] == -INFINITY ? 0 : exp2f(S[n] - m_new);
      shared.P[r][lane + lanes * n] = P;
      row_sum += P;
    }
    l = alpha * l + quad_sum(row_sum);
    m = m_new;
    __syncwarp();

    // O = exp(m - m_new) O + P V
#pragma unroll
    for (int n = 0; n < d / lanes; ++n) {
      O[n] *= alpha;
      for (int k = 0; k < key_rows; ++k) O[n] += shared.P[r][k] * shared.V[k][lane + lanes * n];
    }
  }

  // Write the state, and after the last step of the ring the results
  if (first + r > last) return;
  if (lane == 0) at.m[i] = m, at.l[i] = l;
#pragma unroll
  for (int n = 0; n < d / lanes; ++n) at.O[size_t(i) * d + lane + lanes * n] = O[n];
  if (!step.last) return;
#pragma unroll
  for (int n = 0; n < d / lanes; ++n)
    at.out[size_t(i) * d + lane + lanes * n] = to_element<T>(O[n] * normaliser(l));
  if (lane == 0) at.lse[i] = lse_of(m, l);
}

}  // namespace

std::string tiled_unsupported_reason(const AttentionStep& step) {
  if (step.d == step.dv && (step.d == 32 || step.d == 64 || step.d == 128)) return {};
  return "its tiles have 32, 64 or 128 columns, in Q, K and V alike";
}

void launch_tiled(const AttentionStep& step, cudaStream_t stream) {
  const auto dispatch_columns = [&]<class T, int d>() {
    launch(tiled<T, d>, query_grid(step, query_rows), threads, sizeof(Shared<d>), stream, step);
  };
  dispatch_element(step.element, [&]<class T>(T) {
    if (step.d == 32) dispatch_columns.template operator()<T, 32>();
    if (step.d == 64) dispatch_columns.template operator()<T, 64>();
    if (step.d == 128) dispatch_columns.template operator()<T, 128>();
  });
}

}  // namespace ringattn::gpu
