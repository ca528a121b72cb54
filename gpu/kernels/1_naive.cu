// Rung 1: attention as it is defined, one thread block for each query.
//
// New      out = softmax(scale Q K^T) V, in float32 throughout.
// Bought   a reference on the GPU that shares only its signature with the higher rungs.
// Wasted   every query reads all keys and values from global memory, and computes its scores twice.
// Next     tiles in shared memory, which many queries use, and a softmax that needs only one pass over the keys.

#include <cuda_runtime.h>

#include "gpu/kernels/ladder.h"
#include "gpu/primitives/element.cuh"
#include "gpu/primitives/launch.cuh"
#include "gpu/tiles/head_view.cuh"
#include "gpu/tiles/softmax.cuh"
#include "gpu/tiles/visibility.cuh"

namespace ringattn::gpu {

namespace {

constexpr int threads = 128;

// Reduces one number of each thread of the block to one; _scratch_ has room for all of them
template <class Combine>
__device__ float block_reduce(float x, Combine combine, float* scratch) {
  const int t = threadIdx.x;
  scratch[t] = x;
  __syncthreads();
  for (int half = threads / 2; half > 0; half /= 2) {
    if (t < half) scratch[t] = combine(scratch[t], scratch[t + half]);
    __syncthreads();
  }
  const float result = scratch[0];
  __syncthreads();  // all threads have read it: _scratch_ can be used again
  return result;
}

template <class T>
__device__ float dot(const T* a, const T* b, int d) {
  float sum = 0;
  for (int c = 0; c < d; ++c) sum += to_float(a[c]) * to_float(b[c]);
  return sum;
}

template <class T>
__global__ void __launch_bounds__(threads, 8) naive(const __grid_constant__ AttentionStep step) {
  const HeadView<T> at = head_view<T>(step, blockIdx.z, blockIdx.y);
  const int i = blockIdx.x, t = threadIdx.x, dv = step.dv;
  if (i >= at.q_rows) return;
  __shared__ float P[threads], scratch[threads];

  const auto attends_to = [&](int j) {
    return can_attend(step.window, at.q_positions[i], at.kv_positions[j]);
  };
  const auto score = [&](int j) {
    return step.scale * log2_e * dot(at.Q + size_t(i) * step.d, at.K + size_t(j) * step.d, step.d);
  };

  // First pass over the keys: m = max(m before, max_j S_ij)
  const float m_before = step.first ? -INFINITY : at.m[i], l_before = step.first ? 0 : at.l[i];
  float m = m_before;
  for (int j = t; j < at.kv_rows; j += threads)
    if (attends_to(j)) m = fmaxf(m, score(j));
  m = block_reduce(
      m, [](float a, float b) { return fmaxf(a, b); }, scratch);

  // Second pass, one key a thread at a time: l = alpha l + sum_j P_ij   O = alpha O + sum_j P_ij V_j
  const float alpha = alpha_of(m_before, m);
  float* O = at.O + size_t(i) * dv;
  for (int c = t; c < dv; c += threads) O[c] = step.first ? 0 : alpha * O[c];
  float l = 0;
  for (int base = 0; base < at.kv_rows; base += threads) {
    const int j = base + t, keys = min(threads, at.kv_rows - base);
    P[t] = j < at.kv_rows && attends_to(j) ? exp2f(score(j) - m) : 0;
    l += P[t];
    __syncthreads();
    for (int c = t; c < dv; c += threads)
      for (int k = 0; k < keys; ++k)
        if (P[k] != 0) O[c] += P[k] * to_float(at.V[size_t(base + k) * dv + c]);
    __syncthreads();
  }
  l = alpha * l_before + block_reduce(
                             l, [](float a, float b) { return a + b; }, scratch);

  // Write the state, and after the last step of the ring out = O / l and lse = m + log l
  if (t == 0) at.m[i] = m, at.l[i] = l;
  if (!step.last) return;
  for (int c = t; c < dv; c += threads) at.out[size_t(i) * dv + c] = to_element<T>(O[c] * normaliser(l));
  if (t == 0) at.lse[i] = lse_of(m, l);
}

}  // namespace

std::string naive_unsupported_reason(const AttentionStep&) { return {}; }

void launch_naive(const AttentionStep& step, cudaStream_t stream) {
  dispatch_element(step.element,
                   [&]<class T>(T) { launch(naive<T>, query_grid(step, 1), threads, 0, stream, step); });
}

}  // namespace ringattn::gpu
