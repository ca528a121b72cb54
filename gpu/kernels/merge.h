#pragma once

#include <cuda_runtime.h>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// Two states of the same queries over different keys; the first one becomes the state over all these keys. m is the
// maximum of S x log2(e), as in the rungs.
struct StatePair {
  float *m = nullptr, *l = nullptr, *O = nullptr;  // (B, H, rows), (B, H, rows), (B, H, rows, dv)
  const float *m_other = nullptr, *l_other = nullptr, *O_other = nullptr;
  int rows = 0;
};

// The parameters of one launch: a merge for each device.
struct MergeStep {
  int B = 0, H = 0, dv = 0;
  int devices = 0;
  StatePair device[AttentionStep::max_devices];
};

// Merging with the neutral state (-inf, 0, 0), on either side, changes nothing
void launch_merge(const MergeStep& step, cudaStream_t stream);

// out = O / l and lse = m + log l for the states of _step_; its queries and keys are not read. A row without visible
// keys has out = 0, lse = -inf
void launch_finish(const AttentionStep& step, cudaStream_t stream);

}  // namespace ringattn::gpu
