#pragma once

#include "gpu/backward/backward_step.h"
#include "gpu/bench/gradient_check.h"
#include "gpu/bench/single_device_forward.h"

namespace ringattn::gpu {

// One device that holds a whole problem and has run the forward pass: its gradients are one call of a rung of the
// backward ladder.
class SingleDeviceBackward {
 public:
  SingleDeviceBackward(const BenchCase& bench_case, Stream& stream);

  BackwardStep step();

  // Overwrites the gradients, so that those of an earlier kernel cannot be taken for new ones
  void poison();

  ReadHead reader();

 private:
  BenchCase case_;
  Stream& stream_;
  SingleDeviceForward forward_;
  GpuTensor dO_, row_term_, dQ_, dK_, dV_;
};

}  // namespace ringattn::gpu
