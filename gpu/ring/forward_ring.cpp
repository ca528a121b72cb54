#include "gpu/ring/forward_ring.h"

#include <algorithm>

#include "gpu/kernels/ladder.h"

namespace ringattn::gpu {

namespace {

// Where K and V rotate, states are carried from wave to wave; where Q rotates, each wave makes states of its
// own
Wave<AttentionStep>::Launch wave_by(const Rung& rung, bool kv_rotates) {
  return [&rung, kv_rotates](AttentionStep& step, int ring_step, cudaStream_t stream) {
    step.first = !kv_rotates || ring_step == 0;
    step.last = kv_rotates && ring_step == step.devices - 1;
    rung.launch(step, stream);
  };
}

}  // namespace

ForwardRing::ForwardRing(const Agreement& agreement, const Tokens& queries, const Tokens& keys, Dtype dtype,
                         const GpuOptions& options, int at_most_rung, const MakeTensor& make,
                         Tracing* tracing)
    : GpuRing(agreement, dtype, options, tracing),
      wave_(common_step<AttentionStep>(agreement, dtype),
            wave_by(highest_rung(common_step<AttentionStep>(agreement, dtype), at_most_rung), kv_rotates()),
            compute_, clock()),
      merging_(common_step<AttentionStep>(agreement, dtype), compute_, joins_, clock()) {
  for (int d = 0; d < options.devices; ++d)
    works_.push_back(make_work(d, GpuShard(agreement_, queries, keys, d, make, compute_)));
  const GpuShard& some = works_[0]->shard();
  if (kv_rotates())
    link(some.keys(-1), {});
  else
    link(some.queries(-1), GpuState(agreement_, 0, compute_).block(-1));
}

std::unique_ptr<Forward> ForwardRing::make_work(int device, GpuShard shard) {
  const Index rows = shard.Q->shape().S;
  const auto state = [&](Index room) { return GpuState(agreement_, room, compute_); };
  GpuResults results(agreement_, rows, dtype_, compute_);
  if (kv_rotates()) {
    agreement_.slot_bytes = std::max(agreement_.slot_bytes, shard.kv_bytes());
    return std::make_unique<ForwardKv>(device, std::move(shard), std::move(results), state(rows), agreement_,
                                       wave_);
  }
  agreement_.slot_bytes = std::max(agreement_.slot_bytes, shard.query_bytes());
  std::array<GpuState, 2> states{state(agreement_.q_rows), state(agreement_.q_rows)};
  agreement_.result_bytes = states[0].bytes();
  return std::make_unique<ForwardQ>(device, std::move(shard), std::move(results), std::move(states),
                                    agreement_, wave_, merging_);
}

}  // namespace ringattn::gpu
