#pragma once

#include "gpu/ring/gpu_shard.h"
#include "gpu/ring/wave.h"
#include "reference/blockwise/block_plan.h"
#include "reference/ring/work.h"

namespace ringattn::gpu {

// What all works on the GPU share: what a device has, and the wave that does its arithmetic.
template <class Step>
class WorkInWaves : public Work<OnGpu> {
 public:
  using Part = typename Wave<Step>::Part;

  WorkInWaves(int device, GpuShard shard, const Agreement& agreement, Wave<Step>& wave)
      : device_(device), shard_(std::move(shard)), agreement_(agreement), wave_(wave) {}

  const GpuShard& shard() const { return shard_; }

 protected:
  static void set_queries(Part& s, const GpuTensor& Q, const GpuTensor& positions) {
    s.Q = Q.data(), s.q_positions = positions.as<int>(), s.q_rows = static_cast<int>(Q.shape().S);
  }
  static void set_keys(Part& s, const GpuTensor& K, const GpuTensor& V, const GpuTensor& positions) {
    s.K = K.data(), s.V = V.data(), s.kv_positions = positions.as<int>();
    s.kv_rows = static_cast<int>(K.shape().S);
  }

  // Asks for a block of queries and a block of keys and values to meet; _owner_ is that of the visitor.
  // Whether the wave is launched
  bool attend_all(int step, int owner, const Part& pair, const Tokens& queries, const Tokens& keys,
                  Recorder& facts) {
    if (facts.on()) {
      const BlockPlan plan = plan_block(queries.of(0), keys.of(0), agreement_.scoring.mask);
      facts.compute_begins(step, owner, name_of(plan.mask_class),
                           plan.live_pairs * agreement_.q.B * agreement_.q.H);
    }
    const bool launched = wave_.add(step, pair);
    facts.compute_ends();
    return launched;
  }

  int device_;
  GpuShard shard_;
  const Agreement& agreement_;

 private:
  Wave<Step>& wave_;
};

}  // namespace ringattn::gpu
