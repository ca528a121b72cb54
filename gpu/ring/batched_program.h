#pragma once

#include "gpu/tensor/gpu_shard.h"
#include "gpu/batch/batched_launch.h"
#include "reference/blockwise/block_plan.h"
#include "reference/ring/device_program.h"

namespace ringattn::gpu {

// What all works on the GPU share: what a device has, and the wave that does its arithmetic.
template <class Step>
class BatchedProgram : public DeviceProgram<OnGpu> {
 public:
  using Part = typename BatchedLaunch<Step>::Part;

  BatchedProgram(int device, GpuShard shard, const RingConfig& config, BatchedLaunch<Step>& batched_launch)
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

  // Asks for a block of queries and a block of keys and values to meet; _owner_ is that of the resident.
  // Whether the wave is launched
  bool attend_all(int step, int owner, const Part& pair, const RowPositions& queries, const RowPositions& keys,
                  Recorder& recorder) {
    if (recorder.enabled()) {
      const BlockPlan plan = plan_block(queries.of(0), keys.of(0), config_.scoring.mask);
      recorder.begin_compute(step, owner, name_of(plan.mask_class),
                           plan.live_pairs * config_.q.B * config_.q.H);
    }
    const bool launched = batched_launch_.add(step, pair);
    recorder.end_compute();
    return launched;
  }

  int device_;
  GpuShard shard_;
  const RingConfig& config_;

 private:
  BatchedLaunch<Step>& batched_launch_;
};

}  // namespace ringattn::gpu
