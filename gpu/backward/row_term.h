#pragma once

#include <cuda_runtime.h>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// The queries of one device, with the finished forward and what flows back into it.
struct DeviceRowTerms {
  const void *dO = nullptr, *out = nullptr;  // (B, H, rows, dv)
  const float* lse = nullptr;                // (B, H, rows)
  const float* dlse = nullptr;               // (B, H, rows), or null: zero
  float* row_term = nullptr;                    // (B, H, rows)
  int rows = 0;
};

// What one launch does: the row_term of every query of every device, which all steps of a backward share.
struct RowTermStep {
  Element element = Element::bf16;
  int B = 0, H = 0, dv = 0;
  int devices = 0;
  DeviceRowTerms device[AttentionStep::max_devices];
};

// row_term = dlse - delta, delta = rowsum(dO * out); 0 where no key was seen (FlashAttention-2,
// arXiv:2307.08691, Algorithm 2, line 4)
void launch_row_terms(const RowTermStep& step, cudaStream_t stream);

}  // namespace ringattn::gpu
