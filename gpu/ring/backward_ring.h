#pragma once

#include "gpu/backward/ladder.h"
#include "gpu/ring/backward.h"
#include "gpu/ring/gpu_ring.h"

namespace ringattn::gpu {

// The backward pass of a ring: the vector-Jacobian product of attention.
class BackwardRing : public GpuRing {
 public:
  // _queries_, _keys_: positions of all queries and all keys. Computes with the highest supported rung up to
  // _max_rung_; if _deterministic_, one that gives the same bits in every run. _make_ also makes dO, out, lse and dlse
  BackwardRing(const RingConfig& config, const RowPositions& queries, const RowPositions& keys, Dtype dtype,
               const GpuOptions& options, int max_rung, bool deterministic, const MakeTensor& make,
               Tracing* tracing = nullptr);

  Backward& program(int device) override {
    return *programs_[static_cast<std::size_t>(device - options_.local_devices().begin)];
  }

 private:
  BackwardStep common() const;
  std::vector<GpuCotangents> make_cotangents(const std::vector<GpuShard>& shards, const MakeTensor& make);
  std::unique_ptr<Backward> make_program(int device, GpuShard shard, GpuCotangents cotangents);
  std::shared_ptr<GpuTensor> gradient_of(const GpuTensor& tensor);
  GpuBlock allocate_results();

  BatchedLaunch<BackwardStep> batched_launch_;
  BatchedAccumulate<SumStep> sums_;
  std::vector<std::unique_ptr<Backward>> programs_;
};

}  // namespace ringattn::gpu
