#pragma once

#include <memory>

#include "gpu/bench/bench_case.h"

namespace ringattn::gpu {

// One device that has all of a problem: attention is one call of a kernel.
class OneCall {
 public:
  OneCall(const BenchCase& bench_case, Stream& stream);

  AttentionStep step();

  // Nobody finds the results of the kernel before
  void poison();

  // As ReadRow wants it
  std::vector<float> read(int b, int h, Index row);

 private:
  BenchCase case_;
  Stream& stream_;
  std::shared_ptr<GpuTensor> positions_;
  GpuTensor Q_, K_, V_, m_, l_, O_, out_, lse_;
};

}  // namespace ringattn::gpu
