#pragma once

#include "gpu/kernels/taken_tiles.h"
#include "gpu/ring/forward.h"
#include "gpu/ring/gpu_ring.h"

namespace ringattn::gpu {

// A ring that goes forward: attention itself.
class ForwardRing : public GpuRing {
 public:
  // Of the tokens of all queries and all keys. The highest rung up to _at_most_rung_ does the arithmetic
  ForwardRing(const Agreement& agreement, const Tokens& queries, const Tokens& keys, Dtype dtype,
              const GpuOptions& options, int at_most_rung, const MakeTensor& make,
              Tracing* tracing = nullptr);

  Forward& work(int device) override {
    return *works_[static_cast<std::size_t>(device - options_.here().begin)];
  }

 private:
  AttentionStep common();
  std::unique_ptr<Forward> make_work(int device, GpuShard shard);

  TakenTiles taken_tiles_{compute_};
  Wave<AttentionStep> wave_;
  Merging merging_;
  std::vector<std::unique_ptr<Forward>> works_;
};

}  // namespace ringattn::gpu
