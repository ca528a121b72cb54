#pragma once

#include <cuda_runtime.h>

#include <span>
#include <string>

namespace ringattn::gpu {

// One kernel of a ladder. _Step_ is the signature of all its rungs: AttentionStep or BackwardStep.
template <class Step>
struct LadderRung {
  int number;
  const char* name;
  std::string (*unsupported_reason)(const Step&);  // empty: the rung computes this step correctly
  void (*launch)(const Step&, cudaStream_t);
  bool deterministic = true;  // the same bits in every run
};

// The highest rung up to number _at_most_ that supports the step; the lowest one supports every step. If
// _deterministic_, only rungs that give the same bits in every run
template <class Step>
const LadderRung<Step>& highest_rung_of(std::span<const LadderRung<Step>> ladder, const Step& step,
                                        int at_most, bool deterministic) {
  const LadderRung<Step>* highest = &ladder.front();
  for (const LadderRung<Step>& rung : ladder)
    if (rung.number <= at_most && (rung.deterministic || !deterministic) &&
        rung.unsupported_reason(step).empty())
      highest = &rung;
  return *highest;
}

}  // namespace ringattn::gpu
