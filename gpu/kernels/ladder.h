#pragma once

#include <span>

#include "gpu/kernels/rungs.h"

namespace ringattn::gpu {

// One kernel of the ladder.
struct Rung {
  int number;
  const char* name;
  std::string (*unsupported_reason)(const AttentionStep&);
  void (*launch)(const AttentionStep&, cudaStream_t);
};

// From the lowest, which refuses nothing, to the highest
std::span<const Rung> ladder();

// The highest rung up to number _at_most_ that takes the step
const Rung& highest_rung(const AttentionStep& step, int at_most);

}  // namespace ringattn::gpu
