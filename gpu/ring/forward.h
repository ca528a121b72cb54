#pragma once

#include <array>

#include "gpu/batch/batched_merge.h"
#include "gpu/ring/batched_program.h"

namespace ringattn::gpu {

// What both forward works share: they have results of their queries.
class Forward : public BatchedProgram<AttentionStep> {
 public:
  Forward(int device, GpuShard shard, GpuResults results, const GpuRingConfig& config,
          BatchedLaunch<AttentionStep>& batched_launch);

  const GpuResults& results() const { return results_; }

 protected:
  void set_results(DeviceStep& s);

  GpuResults results_;
};

// Forward, K and V rotate: Q stays, and its state absorbs each block of keys as it passes.
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

// Forward, Q rotates: K and V stay. What a visiting Q read here, (m, l, O), follows it one step behind, is
// merged with what it read elsewhere, and comes home after P hops.
class ForwardQ : public Forward {
 public:
  // _states_: each with room for the queries of any device; while one is on its way, a wave writes the other
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
