#pragma once

#include <memory>

#include "gpu/bench/bench_case.h"
#include "gpu/kernels/tile_scheduler.h"
#include "gpu/ring/gpu_ring.h"

namespace ringattn::gpu {

// The options on which the devices of a ring agree for this problem
RingConfig ring_config_of(const BenchCase& bench_case, const RingOptions& options = {});

// One device that holds a whole problem: attention is one call of a kernel.
class SingleDeviceForward {
 public:
  SingleDeviceForward(const BenchCase& bench_case, Stream& stream);

  AttentionStep step();

  // Overwrites the results, so that those of an earlier kernel cannot be taken for new ones
  void poison();

  ReadRow reader();
  // out and lse of a head
  AttentionOutput<float> head(int b, int h);

 private:
  BenchCase case_;
  Stream& stream_;
  std::shared_ptr<GpuTensor> positions_;
  TileCounter tile_counter_;
  GpuTensor Q_, K_, V_, m_, l_, O_, out_, lse_;
};

}  // namespace ringattn::gpu
