#pragma once

#include <span>

#include "gpu/backward/rungs.h"

namespace ringattn::gpu {

// One kernel, or two, of the backward ladder.
struct BackwardRung {
  int number;
  const char* name;
  bool deterministic;  // the same bits in every run
  std::string (*unsupported_reason)(const BackwardStep&);
  void (*launch)(const BackwardStep&, cudaStream_t);
};

// From the lowest, which refuses nothing, to the highest
std::span<const BackwardRung> backward_ladder();

// The highest rung up to number _at_most_ that takes the step; only those that give the same bits in every
// run where _deterministic_
const BackwardRung& highest_rung(const BackwardStep& step, int at_most, bool deterministic);

}  // namespace ringattn::gpu
