#pragma once

#include <cuda_runtime.h>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// The queries of one device: results of the forward pass, and their cotangents.
struct DeviceRowTerms {
  const void *dO = nullptr, *out = nullptr;  // (B, H, rows, dv)
  const float* lse = nullptr;                // (B, H, rows)
  const float* dlse = nullptr;               // (B, H, rows), or null: zero
  float* row_term = nullptr;                 // (B, H, rows)
  int rows = 0;
};

// The parameters of one launch: row_term of every query of every device, used by all steps of a backward pass.
struct RowTermStep {
  Element element = Element::bf16;
  int B = 0, H = 0, dv = 0;
  int devices = 0;
  DeviceRowTerms device[AttentionStep::max_devices];
};

// row_term = dlse - delta, delta = rowsum(dO * out); 0 for a query without visible keys (FlashAttention-2,
// arXiv:2307.08691, Algorithm 2, line 4)
void launch_row_terms(const RowTermStep& step, cudaStream_t stream);

}  // namespace ringattn::gpu
