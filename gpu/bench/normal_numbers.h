#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// The numbers of normal_tensor(Shape{B, S, H, D}, random) for a generator in state _state_, in the rows of S that
// _positions_ lists, rounded to _element_; written head after head, (B, H, rows, D). Each number is computed
// independently, so a million tokens need no host memory and no copy.
struct NormalNumbers {
  std::uint64_t state = 0;
  int B = 0, S = 0, H = 0, D = 0;
};
void write_normal_numbers(const NormalNumbers& numbers, const int* positions, int rows, Element element,
                          void* target, cudaStream_t stream);

// The state of the generator after one normal_tensor of the given number of elements
__host__ __device__ constexpr std::uint64_t state_after(std::uint64_t state, std::uint64_t numbers) {
  constexpr std::uint64_t draws = 3, increment = 0x9e3779b97f4a7c15u;
  return state + draws * increment * numbers;
}

}  // namespace ringattn::gpu
