#pragma once

#include "gpu/backward/backward_step.h"
#include "gpu/bench/gradient_check.h"
#include "gpu/bench/one_call.h"

namespace ringattn::gpu {

// One device that has all of a problem and has gone forward: its gradients are one call of a rung of the
// backward ladder.
class OneBackward {
 public:
  OneBackward(const BenchCase& bench_case, Stream& stream);

  BackwardStep step();

  // Nobody finds the gradients of the kernel before
  void poison();

  ReadHead reader();

 private:
  BenchCase case_;
  Stream& stream_;
  OneCall forward_;
  GpuTensor dO_, shift_, dQ_, dK_, dV_;
};

}  // namespace ringattn::gpu
