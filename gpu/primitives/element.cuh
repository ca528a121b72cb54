#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

using bf16 = __nv_bfloat16;
using f16 = __half;

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(bf16 x) { return __bfloat162float(x); }
__device__ inline float to_float(f16 x) { return __half2float(x); }

// Rounded to nearest, ties to even
template <class T>
__device__ T to_element(float x);
template <>
__device__ inline float to_element<float>(float x) {
  return x;
}
template <>
__device__ inline bf16 to_element<bf16>(float x) {
  return __float2bfloat16_rn(x);
}
template <>
__device__ inline f16 to_element<f16>(float x) {
  return __float2half_rn(x);
}

}  // namespace ringattn::gpu
