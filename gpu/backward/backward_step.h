#pragma once

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// One device at one step of the backward ring: its queries and their cotangents, and a block of keys and values.
// Tensors are laid out head after head, as in DeviceStep.
struct DeviceBackward {
  const void *Q = nullptr, *dO = nullptr;                     // (B, H, q_rows, d or dv)
  const void *K = nullptr, *V = nullptr;                      // (B, Hkv, kv_rows, d or dv)
  const int *q_positions = nullptr, *kv_positions = nullptr;  // in the global sequence, never descending
  int q_rows = 0, kv_rows = 0;
  // (B, H, q_rows): of the whole softmax, over the keys of all devices; row_term = dlse - rowsum(dO * out),
  // 0 where lse is -inf
  const float *lse = nullptr, *row_term = nullptr;
  float* dQ = nullptr;                 // (B, H, q_rows, d)
  float *dK = nullptr, *dV = nullptr;  // (B, Hkv, kv_rows, d or dv), summed over the query heads of a group
};

// The parameters of one launch: a step of each device. All rungs of the backward ladder have this signature.
//   P = exp(S - lse)   dS = P * (dO V^T + row_term)   dQ += scale dS K   dK += scale dS^T Q   dV += P^T dO
struct BackwardStep {
  Element element = Element::bf16;
  int B = 0, H = 0, Hkv = 0, d = 0, dv = 0;
  float scale = 1;  // of Q K^T
  Window window;
  bool add_to_dQ = false;     // else dQ is overwritten
  bool add_to_dK_dV = false;  // likewise
  int devices = 0;
  DeviceBackward device[AttentionStep::max_devices];
};

}  // namespace ringattn::gpu
