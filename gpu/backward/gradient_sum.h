#pragma once

#include <cuda_runtime.h>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// What one device has found out for the owner of a block, and what the devices before it have.
struct DeviceSum {
  static constexpr int max_tensors = 2;  // dK and dV, or dQ alone

  float* sum[max_tensors] = {};
  const float* before[max_tensors] = {};
  long long elements[max_tensors] = {};
};

// What one launch does: a sum for each device.
struct SumStep {
  int devices = 0;
  DeviceSum device[AttentionStep::max_devices];
};

// sum = before + sum, element by element: terms are added in the order of the steps
void launch_sum(const SumStep& step, cudaStream_t stream);

}  // namespace ringattn::gpu
