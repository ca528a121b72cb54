#pragma once

#include "gpu/backward/backward_step.h"
#include "gpu/bench/gradient_check.h"
#include "gpu/bench/single_device_forward.h"

namespace ringattn::gpu {

// One device that has all of a problem and has gone forward: its gradients are one call of a rung of the
// backward ladder.
class SingleDeviceBackward {
 public:
  SingleDeviceBackward(const BenchCase& bench_case, Stream& stream);

  BackwardStep step();

  // Nobody finds the gradients of the kernel before
  void poison();

  ReadHead reader();

 private:
  BenchCase case_;
  Stream& stream_;
  SingleDeviceForward forward_;
  GpuTensor dO_, row_term_, dQ_, dK_, dV_;
};

}  // namespace ringattn::gpu
