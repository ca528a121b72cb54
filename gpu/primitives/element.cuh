#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// The types of the elements of tensors, and their conversions. Arithmetic is in float.
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

// How tensor cores hold 16 rows of a matrix (scores or O) in a warp. Of each 8 columns, lane 4 g + t holds the columns
// 2 t and 2 t + 1 of the rows g and g + 8: X[n][2 half + e] is the element in row g + 8 half, column 8 n + 2 t + e.
// The four warps of a warpgroup hold 64 rows, one below the other.
//
//            columns  0  1   2  3   4  5   6  7
//   row 0     lanes   0  0   1  1   2  2   3  3      X[0][0], X[0][1] of each lane
//   row 1             4  4   5  5   6  6   7  7
//   ...
//   row 8             0  0   1  1   2  2   3  3      X[0][2], X[0][3]
template <int columns>
using Fragment = float[columns / 8][4];

}  // namespace ringattn::gpu
