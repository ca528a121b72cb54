// Backward, rung 1: gradients as they are defined, one thread block for each query and for each key.
//
// New      P is recomputed from the lse of the forward pass, dS = P * (dP + row_term), in float32 throughout. One kernel
//          for queries computes dQ, and one for keys dK and dV, so that each gradient has a single writer
//          (FlashAttention, arXiv:2205.14135, Algorithm 4, with its loops in either order).
// Bought   a reference on the GPU that shares only its signature with the higher rungs.
// Wasted   every query reads all keys, every key reads all queries, and P is computed twice.
// Next     tiles in shared memory, and tensor cores.

#include <cuda_runtime.h>

#include "gpu/backward/backward_head_view.cuh"
#include "gpu/backward/ladder.h"
#include "gpu/primitives/element.cuh"
#include "gpu/primitives/launch.cuh"
#include "gpu/tiles/visibility.cuh"

namespace ringattn::gpu {

namespace {

constexpr int threads = 128;

template <class T>
__device__ float dot(const T* a, const T* b, int d) {
  float sum = 0;
  for (int c = 0; c < d; ++c) sum += to_float(a[c]) * to_float(b[c]);
  return sum;
}

// P and dS of one query and one key; both 0 where the key is masked
struct Pair {
  float P, dS;
};

template <class T>
__device__ Pair pair_of(const BackwardStep& step, const BackwardHeadView<T>& at, int i, int j) {
  if (!can_attend(step.window, at.q_positions[i], at.kv_positions[j]) || at.lse[i] == -INFINITY)
    return {0, 0};
  const float S = step.scale * dot(at.Q + size_t(i) * step.d, at.K + size_t(j) * step.d, step.d);
  const float P = expf(S - at.lse[i]);
  const float dP = dot(at.dO + size_t(i) * step.dv, at.V + size_t(j) * step.dv, step.dv);
  return {P, P * (dP + at.row_term[i])};
}

// sum[c] += factor[n] row[n][c] for the rows from _rows_ on; a factor of 0 skips the row, which may hold NaN
template <class T>
__device__ void add_rows(float* sum, const float* factors, const T* rows, int count, int d, float scale) {
  for (int c = threadIdx.x; c < d; c += threads)
    for (int n = 0; n < count; ++n)
      if (factors[n] != 0) sum[c] += scale * factors[n] * to_float(rows[size_t(n) * d + c]);
}

__device__ void begin_sum(float* sum, int d, bool add) {
  for (int c = threadIdx.x; c < d; c += threads)
    if (!add) sum[c] = 0;
}

// dQ_i += scale sum_j dS_ij K_j
template <class T>
__global__ void __launch_bounds__(threads) naive_dQ(const __grid_constant__ BackwardStep step) {
  const BackwardHeadView<T> at = backward_head_view<T>(step, blockIdx.z, blockIdx.y);
  const int i = blockIdx.x, t = threadIdx.x;
  if (i >= at.q_rows) return;
  __shared__ float dS[threads];
  float* dQ = at.dQ + size_t(i) * step.d;
  begin_sum(dQ, step.d, step.add_to_dQ);
  for (int base = 0; base < at.kv_rows; base += threads) {
    if (base + t < at.kv_rows) dS[t] = pair_of(step, at, i, base + t).dS;
    __syncthreads();
    add_rows(dQ, dS, at.K + size_t(base) * step.d, min(threads, at.kv_rows - base), step.d, step.scale);
    __syncthreads();
  }
}

// dK_j += scale sum_i dS_ij Q_i   dV_j += sum_i P_ij dO_i, over all query heads that use the key
template <class T>
__global__ void __launch_bounds__(threads) naive_dK_dV(const __grid_constant__ BackwardStep step) {
  const int first = first_head_of(step, blockIdx.y), group = step.H / step.Hkv;
  const int j = blockIdx.x, t = threadIdx.x;
  if (j >= step.device[blockIdx.z].kv_rows) return;
  __shared__ float P[threads], dS[threads];
  for (int head = first; head < first + group; ++head) {
    const BackwardHeadView<T> at = backward_head_view<T>(step, blockIdx.z, head);
    float *dK = at.dK + size_t(j) * step.d, *dV = at.dV + size_t(j) * step.dv;
    begin_sum(dK, step.d, step.add_to_dK_dV || head > first);
    begin_sum(dV, step.dv, step.add_to_dK_dV || head > first);
    for (int base = 0; base < at.q_rows; base += threads) {
      if (base + t < at.q_rows) {
        const Pair pair = pair_of(step, at, base + t, j);
        P[t] = pair.P, dS[t] = pair.dS;
      }
      __syncthreads();
      const int rows = min(threads, at.q_rows - base);
      add_rows(dK, dS, at.Q + size_t(base) * step.d, rows, step.d, step.scale);
      add_rows(dV, P, at.dO + size_t(base) * step.dv, rows, step.dv, 1);
      __syncthreads();
    }
  }
}

}  // namespace

std::string naive_backward_unsupported_reason(const BackwardStep&) { return {}; }

void launch_naive_backward(const BackwardStep& step, cudaStream_t stream) {
  dispatch_element(step.element, [&]<class T>(T) {
    launch(naive_dQ<T>, query_grid(step, 1), threads, 0, stream, step);
    launch(naive_dK_dV<T>, key_grid(step, 1), threads, 0, stream, step);
  });
}

}  // namespace ringattn::gpu
