#pragma once

#include <array>

#include "gpu/backward/backward_step.h"
#include "gpu/backward/gradient_sum.h"
#include "gpu/batch/batched_accumulate.h"
#include "gpu/ring/batched_program.h"

namespace ringattn::gpu {

// What a device has of the finished forward, and of what flows back into it. It may travel.
struct GpuCotangents {
  std::shared_ptr<GpuTensor> dO, lse, row_term;

  // The row_term is unwritten
  GpuCotangents(const RingConfig& config, const GpuShard& shard, const MakeTensor& make, Stream& stream);

  Index bytes() const { return dO->bytes() + lse->bytes() + row_term->bytes(); }
};

// Gradients are sums in float32, however the tensors are stored that they belong to.
struct GpuGradients {
  std::shared_ptr<GpuTensor> dQ, dK, dV;
};

// What both backward works share. Of the gradients of a device some grow where it is; the others are found
// out all round the ring and come home. What a step finds out for its resident lies in one of two blocks with
// room for that of any device: while one is on its way, a wave writes the other.
class Backward : public BatchedProgram<BackwardStep> {
 public:
  Backward(int device, GpuShard shard, GpuCotangents cotangents, GpuGradients growing,
           std::array<GpuBlock, 2> results, const GpuRingConfig& config,
           BatchedLaunch<BackwardStep>& batched_launch, BatchedAccumulate<SumStep>& sums);

  void accumulate(int step, Block<OnGpu>& result, Block<OnGpu> arrived) override;
  const GpuGradients& gradients() const { return gradients_; }

 protected:
  GpuBlock result_for(const Block<OnGpu>& resident, int step) const;
  void attend_all(int step, const DeviceBackward& pair);

  GpuCotangents cotangents_;
  GpuGradients gradients_;

 private:
  std::array<GpuBlock, 2> results_;
  BatchedAccumulate<SumStep>& sums_;
};

// Backward, K and V rotate: Q, dO, lse and delta stay, and dQ grows where they are. What a visiting K and V
// receive here, (dK, dV), follows them one step behind, is added to what they received elsewhere, and comes
// home after P hops.
class BackwardKv : public Backward {
 public:
  using Backward::Backward;

  PassDescription description() const override;
  Block<OnGpu> own_block() override { return shard_.keys(device_); }
  BlockWork work_with(const Block<OnGpu>& resident) const override;
  Block<OnGpu> attend(int step, const Block<OnGpu>& resident) override;
  void accept_results(Block<OnGpu> result) override;
};

// Backward, Q rotates with dO, lse and delta: K and V stay, and dK and dV grow where they are; dQ follows its
// Q home.
class BackwardQ : public Backward {
 public:
  using Backward::Backward;

  PassDescription description() const override;
  Block<OnGpu> own_block() override { return queries(); }
  BlockWork work_with(const Block<OnGpu>& resident) const override;
  GpuBlock queries() const;  // with all that travels with them
  Block<OnGpu> attend(int step, const Block<OnGpu>& resident) override;
  void accept_results(Block<OnGpu> result) override;
};

}  // namespace ringattn::gpu
