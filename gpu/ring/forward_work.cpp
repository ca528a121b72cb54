#include "gpu/ring/forward_work.h"

#include "reference/blockwise/block_plan.h"

namespace ringattn::gpu {

ForwardWork::ForwardWork(int device, GpuShard shard, const Agreement& agreement, Wave& wave)
    : device_(device), shard_(std::move(shard)), agreement_(agreement), wave_(wave) {}

Block<OnGpu> ForwardWork::home() {
  return {
      device_, shard_.kv_tokens, {std::move(shard_.K), std::move(shard_.V), std::move(shard_.kv_positions)}};
}

Block<OnGpu> ForwardWork::attend(int step, const Block<OnGpu>& visitor, Recorder& facts) {
  DeviceStep s;
  s.Q = shard_.Q->data(), s.K = visitor[0].data(), s.V = visitor[1].data();
  s.q_positions = shard_.q_positions->as<int>(), s.kv_positions = visitor[2].as<int>();
  s.q_rows = static_cast<int>(shard_.Q->shape().S), s.kv_rows = static_cast<int>(visitor[0].shape().S);
  s.m = shard_.m->as<float>(), s.l = shard_.l->as<float>(), s.O = shard_.O->as<float>();
  s.out = shard_.out->data(), s.lse = shard_.lse->as<float>();

  if (facts.on()) {
    const BlockPlan plan = plan_block(shard_.q_tokens->of(0), visitor.tokens->of(0), agreement_.scoring.mask);
    facts.compute_begins(step, visitor.owner, name_of(plan.mask_class),
                         plan.live_pairs * agreement_.q.B * agreement_.q.H);
  }
  wave_.add(step, s);
  facts.compute_ends();
  return {};
}

Holdings ForwardWork::holdings() const {
  const GpuShard& s = shard_;
  Holdings holdings{{"Q", s.Q->bytes() + s.q_positions->bytes()},
                    {"m l O", s.m->bytes() + s.l->bytes() + s.O->bytes()},
                    {"out lse", s.out->bytes() + s.lse->bytes()}};
  add_slots<OnGpu>(holdings, agreement_, *this);
  return holdings;
}

}  // namespace ringattn::gpu
