#pragma once

#include "gpu/batch/batched_launch.h"
#include "gpu/tensor/gpu_shard.h"
#include "reference/blockwise/block_plan.h"
#include "reference/ring/programs/device_program.h"

namespace ringattn::gpu {

// The configuration of a ring on the GPU. The sizes of the largest travelling blocks, in bytes, are set once the
// devices have their blocks.
struct GpuRingConfig : RingConfig {
  Index block_bytes = 0, result_bytes = 0;
};

// What all programs on the GPU share: the rows of a device, and the launch that computes for all devices at once.
template <class Step>
class BatchedProgram : public DeviceProgram<OnGpu> {
 public:
  using Part = typename BatchedLaunch<Step>::Part;

  BatchedProgram(int device, GpuShard shard, const GpuRingConfig& config, BatchedLaunch<Step>& batched_launch)
      : device_(device), shard_(std::move(shard)), config_(config), batched_launch_(batched_launch) {}

  const GpuShard& shard() const { return shard_; }

 protected:
  static void set_queries(Part& s, const GpuTensor& Q, const GpuTensor& positions) {
    s.Q = Q.data(), s.q_positions = positions.as<int>(), s.q_rows = static_cast<int>(Q.shape().S);
  }
  static void set_keys(Part& s, const GpuTensor& K, const GpuTensor& V, const GpuTensor& positions) {
    s.K = K.data(), s.V = V.data(), s.kv_positions = positions.as<int>();
    s.kv_rows = static_cast<int>(K.shape().S);
  }

  // Adds a block of queries and a block of keys and values to the launch of a step. Returns true if this device was
  // the last one, and the kernel is launched
  bool attend_all(int step, const Part& pair) { return batched_launch_.add(step, pair); }

  // The queries and keys that the mask leaves of a pair of blocks
  BlockWork work_between(const RowPositions& queries, const RowPositions& keys) const {
    const BlockPlan plan = plan_block(queries.of(0), keys.of(0), config_.scoring.mask);
    return {plan.mask_class, plan.live_pairs * config_.q.B * config_.q.H};
  }

  // Completes the description of a pass, of which _pass_ holds the names and what stays
  PassDescription with_buffers(PassDescription pass) const {
    const BufferCounts buffers = buffer_counts(ring_schedule(0, config_.devices), 0);
    add_block_buffers(pass, buffers.blocks, config_.block_bytes);
    if (!pass.results.empty()) add_result_buffers(pass, buffers.results, config_.result_bytes);
    return pass;
  }

  int device_;
  GpuShard shard_;
  const GpuRingConfig& config_;

 private:
  BatchedLaunch<Step>& batched_launch_;
};

}  // namespace ringattn::gpu
