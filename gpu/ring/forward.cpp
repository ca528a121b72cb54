#include "gpu/ring/forward.h"

#include "reference/blockwise/block_plan.h"

namespace ringattn::gpu {

namespace {

void set_queries(DeviceStep& s, const GpuTensor& Q, const GpuTensor& positions) {
  s.Q = Q.data(), s.q_positions = positions.as<int>(), s.q_rows = static_cast<int>(Q.shape().S);
}
void set_keys(DeviceStep& s, const GpuTensor& K, const GpuTensor& V, const GpuTensor& positions) {
  s.K = K.data(), s.V = V.data(), s.kv_positions = positions.as<int>();
  s.kv_rows = static_cast<int>(K.shape().S);
}
void set_state(DeviceStep& s, const GpuBlock& state) {
  s.m = state.tensors[0]->as<float>(), s.l = state.tensors[1]->as<float>();
  s.O = state.tensors[2]->as<float>();
}
void set_results(DeviceStep& s, const GpuShard& shard) {
  s.out = shard.out->data(), s.lse = shard.lse->as<float>();
}

}  // namespace

// ---- Both --------------------------------------------------------------------

Forward::Forward(int device, GpuShard shard, const Agreement& agreement, Wave& wave)
    : device_(device), shard_(std::move(shard)), agreement_(agreement), wave_(wave) {}

bool Forward::attend_all(int step, int owner, const DeviceStep& pair, const Tokens& queries,
                         const Tokens& keys, Recorder& facts) {
  if (facts.on()) {
    const BlockPlan plan = plan_block(queries.of(0), keys.of(0), agreement_.scoring.mask);
    facts.compute_begins(step, owner, name_of(plan.mask_class),
                         plan.live_pairs * agreement_.q.B * agreement_.q.H);
  }
  const bool launched = wave_.add(step, pair);
  facts.compute_ends();
  return launched;
}

// ---- K and V rotate ----------------------------------------------------------

ForwardKv::ForwardKv(int device, GpuShard shard, GpuState state, const Agreement& agreement, Wave& wave)
    : Forward(device, std::move(shard), agreement, wave), state_(std::move(state)) {}

Block<OnGpu> ForwardKv::home() {
  return {
      device_, shard_.kv_tokens, {std::move(shard_.K), std::move(shard_.V), std::move(shard_.kv_positions)}};
}

Block<OnGpu> ForwardKv::attend(int step, const Block<OnGpu>& visitor, Recorder& facts) {
  DeviceStep pair;
  set_queries(pair, *shard_.Q, *shard_.q_positions);
  set_keys(pair, visitor[0], visitor[1], visitor[2]);
  set_state(pair, state_.block(device_));
  set_results(pair, shard_);
  attend_all(step, visitor.owner, pair, *shard_.q_tokens, *visitor.tokens, facts);
  return {};
}

Holdings ForwardKv::holdings() const {
  Holdings holdings{{"Q", shard_.query_bytes()},
                    {"m l O", state_.bytes()},
                    {"out lse", shard_.out->bytes() + shard_.lse->bytes()}};
  add_slots<OnGpu>(holdings, agreement_, *this);
  return holdings;
}

// ---- Q rotates ---------------------------------------------------------------

ForwardQ::ForwardQ(int device, GpuShard shard, std::array<GpuState, 2> states, const Agreement& agreement,
                   Wave& wave, Merging& merging)
    : Forward(device, std::move(shard), agreement, wave), states_(std::move(states)), merging_(merging) {}

Block<OnGpu> ForwardQ::home() {
  return {device_, shard_.q_tokens, {std::move(shard_.Q), std::move(shard_.q_positions)}};
}

Block<OnGpu> ForwardQ::attend(int step, const Block<OnGpu>& visitor, Recorder& facts) {
  GpuState& state = states_[static_cast<std::size_t>(step % 2)];
  state.take_rows(visitor[0].shape().S);
  GpuBlock result = state.block(visitor.owner);

  DeviceStep pair;
  set_queries(pair, visitor[0], visitor[1]);
  set_keys(pair, *shard_.K, *shard_.V, *shard_.kv_positions);
  set_state(pair, result);
  set_results(pair, shard_);  // which no wave writes, as none is the last of a state
  if (attend_all(step, visitor.owner, pair, *visitor.tokens, *shard_.kv_tokens, facts))
    merging_.follow_wave();
  return result;
}

void ForwardQ::join(int step, Block<OnGpu>& result, Block<OnGpu> arrived, Recorder& facts) {
  StatePair pair;
  pair.m = result.tensors[0]->as<float>(), pair.l = result.tensors[1]->as<float>();
  pair.O = result.tensors[2]->as<float>();
  pair.m_other = arrived[0].as<float>(), pair.l_other = arrived[1].as<float>();
  pair.O_other = arrived[2].as<float>();
  pair.rows = static_cast<int>(result[0].shape().S);
  merging_.add(step, pair);
  facts.joined(EventKind::merge, step, result.owner);
}

void ForwardQ::take_home(Block<OnGpu> result) {
  DeviceStep home;
  set_state(home, result);
  set_results(home, shard_);
  home.q_rows = static_cast<int>(result[0].shape().S);
  merging_.finish(home);
}

Holdings ForwardQ::holdings() const {
  Holdings holdings{{"K", shard_.K->bytes()},
                    {"V", shard_.V->bytes() + shard_.kv_positions->bytes()},
                    {"m l O", agreement_.result_bytes},
                    {"out lse", shard_.out->bytes() + shard_.lse->bytes()}};
  add_slots<OnGpu>(holdings, agreement_, *this);
  return holdings;
}

}  // namespace ringattn::gpu
