#include "gpu/ring/forward.h"

namespace ringattn::gpu {

namespace {

void set_state(DeviceStep& s, const GpuBlock& state) {
  s.m = state.tensors[0]->as<float>(), s.l = state.tensors[1]->as<float>();
  s.O = state.tensors[2]->as<float>();
}

}  // namespace

// ---- Both --------------------------------------------------------------------

Forward::Forward(int device, GpuShard shard, GpuResults results, const Agreement& agreement,
                 Wave<AttentionStep>& wave)
    : WorkInWaves(device, std::move(shard), agreement, wave), results_(std::move(results)) {}

void Forward::set_results(DeviceStep& s) { s.out = results_.out->data(), s.lse = results_.lse->as<float>(); }

// ---- K and V rotate ----------------------------------------------------------

ForwardKv::ForwardKv(int device, GpuShard shard, GpuResults results, GpuState state,
                     const Agreement& agreement, Wave<AttentionStep>& wave)
    : Forward(device, std::move(shard), std::move(results), agreement, wave), state_(std::move(state)) {}

Block<OnGpu> ForwardKv::home() { return shard_.keys(device_); }

Block<OnGpu> ForwardKv::attend(int step, const Block<OnGpu>& visitor, Recorder& facts) {
  DeviceStep pair;
  set_queries(pair, *shard_.Q, *shard_.q_positions);
  set_keys(pair, visitor[0], visitor[1], visitor[2]);
  set_state(pair, state_.block(device_));
  set_results(pair);
  attend_all(step, visitor.owner, pair, *shard_.q_tokens, *visitor.tokens, facts);
  return {};
}

Holdings ForwardKv::holdings() const {
  Holdings holdings{{"Q", shard_.query_bytes()}, {"m l O", state_.bytes()}, {"out lse", results_.bytes()}};
  add_slots<OnGpu>(holdings, agreement_, *this);
  return holdings;
}

// ---- Q rotates ---------------------------------------------------------------

ForwardQ::ForwardQ(int device, GpuShard shard, GpuResults results, std::array<GpuState, 2> states,
                   const Agreement& agreement, Wave<AttentionStep>& wave, Merging& merging)
    : Forward(device, std::move(shard), std::move(results), agreement, wave),
      states_(std::move(states)),
      merging_(merging) {}

Block<OnGpu> ForwardQ::home() { return shard_.queries(device_); }

Block<OnGpu> ForwardQ::attend(int step, const Block<OnGpu>& visitor, Recorder& facts) {
  GpuBlock result = states_[static_cast<std::size_t>(step % 2)].block(visitor.owner);
  take_rows(result, visitor[0].shape().S);

  DeviceStep pair;
  set_queries(pair, visitor[0], visitor[1]);
  set_keys(pair, *shard_.K, *shard_.V, *shard_.kv_positions);
  set_state(pair, result);
  set_results(pair);  // which no wave writes, as none is the last of a state
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
  set_results(home);
  home.q_rows = static_cast<int>(result[0].shape().S);
  merging_.finish(home);
}

Holdings ForwardQ::holdings() const {
  Holdings holdings{{"K", shard_.K->bytes()},
                    {"V", shard_.V->bytes() + shard_.kv_positions->bytes()},
                    {"m l O", agreement_.result_bytes},
                    {"out lse", results_.bytes()}};
  add_slots<OnGpu>(holdings, agreement_, *this);
  return holdings;
}

}  // namespace ringattn::gpu
