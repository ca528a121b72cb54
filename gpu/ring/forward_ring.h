#pragma once

#include "gpu/kernels/tile_scheduler.h"
#include "gpu/ring/forward.h"
#include "gpu/ring/gpu_ring.h"

namespace ringattn::gpu {

// The forward pass of a ring: attention.
class ForwardRing : public GpuRing {
 public:
  // _queries_, _keys_: positions of all queries and all keys. Computes with the highest supported rung up to
  // _max_rung_
  ForwardRing(const RingConfig& config, const RowPositions& queries, const RowPositions& keys, Dtype dtype,
              const GpuOptions& options, int max_rung, const MakeTensor& make, Tracing* tracing = nullptr);

  Forward& program(int device) override {
    return *programs_[static_cast<std::size_t>(device - options_.local_devices().begin)];
  }

 private:
  AttentionStep common();
  std::unique_ptr<Forward> make_program(int device, GpuShard shard);

  TileCounter tile_counter_{compute_stream_};
  BatchedLaunch<AttentionStep> batched_launch_;
  BatchedMerge batched_merge_;
  std::vector<std::unique_ptr<Forward>> programs_;
};

}  // namespace ringattn::gpu
