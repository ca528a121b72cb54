#pragma once

#include <cuda_runtime.h>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// Two states of the same queries, which have seen different keys: the first becomes that of both. m in powers
// of two, as the rungs keep it.
struct StatePair {
  float *m = nullptr, *l = nullptr, *O = nullptr;  // (B, H, rows), (B, H, rows), (B, H, rows, dv)
  const float *m_other = nullptr, *l_other = nullptr, *O_other = nullptr;
  int rows = 0;
};

// What one launch does: a merge for each device.
struct MergeStep {
  int B = 0, H = 0, dv = 0;
  int devices = 0;
  StatePair device[AttentionStep::max_devices];
};

// The neutral state (-inf, 0, 0) changes nothing, on either side
void launch_merge(const MergeStep& step, cudaStream_t stream);

// out = O / l and lse = m + log l for the states of _step_, whose queries and keys are not read; a row that
// has seen no key has out = 0, lse = -inf
void launch_finish(const AttentionStep& step, cudaStream_t stream);

}  // namespace ringattn::gpu
