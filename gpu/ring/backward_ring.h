#pragma once

#include "gpu/backward/ladder.h"
#include "gpu/ring/backward.h"
#include "gpu/ring/gpu_ring.h"

namespace ringattn::gpu {

// A ring that goes backward: the vector-Jacobian product of attention.
class BackwardRing : public GpuRing {
 public:
  // Of the tokens of all queries and all keys. The highest rung up to _at_most_rung_ does the arithmetic, of
  // those that give the same bits in every run where _deterministic_. _make_ makes dO, out, lse and dlse, too
  BackwardRing(const Agreement& agreement, const Tokens& queries, const Tokens& keys, Dtype dtype,
               const GpuOptions& options, int at_most_rung, bool deterministic, const MakeTensor& make,
               Tracing* tracing = nullptr);

  Backward& work(int device) override {
    return *works_[static_cast<std::size_t>(device - options_.here().begin)];
  }

 private:
  BackwardStep common() const;
  std::vector<GpuCotangents> make_cotangents(const std::vector<GpuShard>& shards, const MakeTensor& make);
  std::unique_ptr<Backward> make_work(int device, GpuShard shard, GpuCotangents cotangents);
  std::shared_ptr<GpuTensor> gradient_of(const GpuTensor& tensor);
  GpuBlock room_for_results();

  Wave<BackwardStep> wave_;
  Joining<SumStep> sums_;
  std::vector<std::unique_ptr<Backward>> works_;
};

}  // namespace ringattn::gpu
