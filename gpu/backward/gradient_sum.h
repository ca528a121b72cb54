#pragma once

#include <cuda_runtime.h>

#include "gpu/primitives/attention_step.h"

namespace ringattn::gpu {

// The contribution of one device to the gradients of a block, and the sum of those of earlier devices.
struct DeviceSum {
  static constexpr int max_tensors = 2;  // dK and dV, or dQ alone

  float* sum[max_tensors] = {};
  const float* before[max_tensors] = {};
  long long elements[max_tensors] = {};
};

// The parameters of one launch: a sum for each device.
struct SumStep {
  int devices = 0;
  DeviceSum device[AttentionStep::max_devices];
};

// sum = before + sum, element by element: terms are added in the order of the steps
void launch_sum(const SumStep& step, cudaStream_t stream);

}  // namespace ringattn::gpu
