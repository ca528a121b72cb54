#pragma once

#include "gpu/ring/gpu_tensor.h"
#include "gpu/ring/wave.h"
#include "reference/ring/agreement.h"

namespace ringattn::gpu {

// What one device has on the GPU.
struct GpuShard {
  std::vector<Index> q_rows, kv_rows;  // in the global sequence
  std::shared_ptr<const Tokens> q_tokens, kv_tokens;
  std::shared_ptr<GpuTensor> Q, K, V, q_positions, kv_positions;
  std::shared_ptr<GpuTensor> m, l, O, out, lse;
};

// Forward, K and V rotate: Q stays, and its state absorbs each block of keys as it passes.
class ForwardWork : public Work<OnGpu> {
 public:
  ForwardWork(int device, GpuShard shard, const Agreement& agreement, Wave& wave);

  Block<OnGpu> home() override;
  Block<OnGpu> attend(int step, const Block<OnGpu>& visitor, Recorder& facts) override;
  void join(int, Block<OnGpu>&, Block<OnGpu>, Recorder&) override {}
  void take_home(Block<OnGpu>) override {}

  std::string_view pass() const override { return "forward"; }
  std::string_view ahead() const override { return "K V"; }
  Holdings holdings() const override;

  const GpuShard& shard() const { return shard_; }

 private:
  int device_;
  GpuShard shard_;
  const Agreement& agreement_;
  Wave& wave_;
};

}  // namespace ringattn::gpu
