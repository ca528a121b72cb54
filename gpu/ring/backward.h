#pragma once

#include <array>

#include "gpu/backward/backward_step.h"
#include "gpu/backward/gradient_sum.h"
#include "gpu/batch/batched_launch.h"
#include "gpu/ring/batched_program.h"

namespace ringattn::gpu {

// The cotangents of the queries of a device, and the lse of their finished forward pass. They travel if Q does.
struct GpuCotangents {
  std::shared_ptr<GpuTensor> dO, lse, row_term;

  // Leaves row_term uninitialized
  GpuCotangents(const RingConfig& config, const GpuShard& shard, const MakeTensor& make, Stream& stream);

  Index bytes() const { return dO->bytes() + lse->bytes() + row_term->bytes(); }
};

// Gradients are float32 sums, whatever the storage type of their tensors.
struct GpuGradients {
  std::shared_ptr<GpuTensor> dQ, dK, dV;
};

// Common to both backward programs. The gradients of the tensors that stay are accumulated in place; those of the
// resident block follow it around the ring. A step writes the latter into one of two buffers with room for the largest
// shard: while one is in transit, the kernel writes the other.
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

// Backward with K and V rotating. Q, dO, lse and row_term stay, and dQ is accumulated in place. The contribution
// (dK, dV) to a resident block follows it one step behind, is added to those of earlier devices, and returns to the
// owner after P hops.
class BackwardKv : public Backward {
 public:
  using Backward::Backward;

  PassDescription description() const override;
  Block<OnGpu> own_block() override { return shard_.keys(device_); }
  BlockWork work_with(const Block<OnGpu>& resident) const override;
  Block<OnGpu> attend(int step, const Block<OnGpu>& resident) override;
  void accept_results(Block<OnGpu> result) override;
};

// Backward with Q rotating, and dO, lse and row_term with it. K and V stay, and dK and dV are accumulated in place; dQ
// follows Q and returns to its owner.
class BackwardQ : public Backward {
 public:
  using Backward::Backward;

  PassDescription description() const override;
  Block<OnGpu> own_block() override { return queries(); }
  BlockWork work_with(const Block<OnGpu>& resident) const override;
  GpuBlock queries() const;  // Q, positions, dO, lse, row_term
  Block<OnGpu> attend(int step, const Block<OnGpu>& resident) override;
  void accept_results(Block<OnGpu> result) override;
};

}  // namespace ringattn::gpu
