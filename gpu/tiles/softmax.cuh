#pragma once

#include <cuda_runtime.h>
#include <math.h>

namespace ringattn::gpu {

// Scores are kept in powers of two, S x log2(e), because the hardware has 2^x and no e^x.
constexpr float log2_e = 1.4426950408889634f, ln_2 = 0.6931471805599453f;

// Reductions over the four adjacent lanes that share a row
__device__ inline float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(0xffffffff, x, 1));
  return fmaxf(x, __shfl_xor_sync(0xffffffff, x, 2));
}
__device__ inline float quad_sum(float x) {
  x += __shfl_xor_sync(0xffffffff, x, 1);
  return x + __shfl_xor_sync(0xffffffff, x, 2);
}

// The factor that rescales l and O when the maximum grows from _before_ to _m_. Without a visible key so far, l and O
// are 0, and -inf - -inf would be NaN
__device__ inline float alpha_of(float before, float m) {
  return before == -INFINITY ? 0.0f : exp2f(before - m);
}

// 1 / l; 0 for a row without visible keys
__device__ inline float normaliser(float l) { return l == 0 ? 0.0f : 1 / l; }

__device__ inline float lse_of(float m, float l) { return l == 0 ? -INFINITY : ln_2 * m + logf(l); }

}  // namespace ringattn::gpu
