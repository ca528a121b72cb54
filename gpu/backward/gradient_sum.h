#pragma once

#include <cuda_runtime.h>

#include "gpu/kernels/attention_step.h"

namespace ringattn::gpu {

// What one device has found out for the owner of a block, and what the devices before it have.
struct DeviceSum {
  static constexpr int most_tensors = 2;  // dK and dV, or dQ alone

  float* sum[most_tensors] = {};
  const float* before[most_tensors] = {};
  long long elements[most_tensors] = {};
};

// What one launch does: a sum for each device.
struct SumStep {
  int devices = 0;
  DeviceSum device[AttentionStep::most_devices];
};

// sum = before + sum, element by element: terms are added in the order of the steps
void launch_sum(const SumStep& step, cudaStream_t stream);

}  // namespace ringattn::gpu
