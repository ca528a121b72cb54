#pragma once

#include <array>

#include "gpu/batch/batched_merge.h"
#include "gpu/ring/batched_program.h"

namespace ringattn::gpu {

// Common to both forward programs: the results (out, lse) of the own queries.
class Forward : public BatchedProgram<AttentionStep> {
 public:
  Forward(int device, GpuShard shard, GpuResults results, const GpuRingConfig& config,
          BatchedLaunch<AttentionStep>& batched_launch);

  const GpuResults& results() const { return results_; }

 protected:
  void set_results(DeviceStep& s);

  GpuResults results_;
};

// Forward with K and V rotating. Q stays, and its state absorbs each resident block of keys and values.
class ForwardKv : public Forward {
 public:
  ForwardKv(int device, GpuShard shard, GpuResults results, GpuState state, const GpuRingConfig& config,
            BatchedLaunch<AttentionStep>& batched_launch);

  PassDescription description() const override;
  Block<OnGpu> own_block() override;
  BlockWork work_with(const Block<OnGpu>& resident) const override;
  Block<OnGpu> attend(int step, const Block<OnGpu>& resident) override;

 private:
  GpuState state_;
};

// Forward with Q rotating. K and V stay. The state (m, l, O) that a resident Q gathers here follows Q one step behind,
// is merged with the states of earlier devices, and returns to the owner of Q after P hops.
class ForwardQ : public Forward {
 public:
  // _states_: two buffers with room for the largest shard; while one is in transit, the kernel writes the other
  ForwardQ(int device, GpuShard shard, GpuResults results, std::array<GpuState, 2> states,
           const GpuRingConfig& config, BatchedLaunch<AttentionStep>& batched_launch,
           BatchedMerge& batched_merge);

  PassDescription description() const override;
  Block<OnGpu> own_block() override;
  BlockWork work_with(const Block<OnGpu>& resident) const override;
  Block<OnGpu> attend(int step, const Block<OnGpu>& resident) override;
  void accumulate(int step, Block<OnGpu>& result, Block<OnGpu> arrived) override;
  void accept_results(Block<OnGpu> result) override;

 private:
  std::array<GpuState, 2> states_;
  BatchedMerge& batched_merge_;
};

}  // namespace ringattn::gpu
