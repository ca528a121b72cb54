#include "gpu/ring/forward.h"

namespace ringattn::gpu {

namespace {

void set_state(DeviceStep& s, const GpuBlock& state) {
  s.m = state.tensors[0]->as<float>(), s.l = state.tensors[1]->as<float>();
  s.O = state.tensors[2]->as<float>();
}

}  // namespace

// ---- Both --------------------------------------------------------------------

Forward::Forward(int device, GpuShard shard, GpuResults results, const GpuRingConfig& config,
                 BatchedLaunch<AttentionStep>& batched_launch)
    : BatchedProgram(device, std::move(shard), config, batched_launch), results_(std::move(results)) {}

void Forward::set_results(DeviceStep& s) { s.out = results_.out->data(), s.lse = results_.lse->as<float>(); }

// ---- K and V rotate ----------------------------------------------------------

ForwardKv::ForwardKv(int device, GpuShard shard, GpuResults results, GpuState state,
                     const GpuRingConfig& config, BatchedLaunch<AttentionStep>& batched_launch)
    : Forward(device, std::move(shard), std::move(results), config, batched_launch),
      state_(std::move(state)) {}

Block<OnGpu> ForwardKv::own_block() { return shard_.keys(device_); }

BlockWork ForwardKv::work_with(const Block<OnGpu>& resident) const {
  return work_between(*shard_.q_host_positions, *resident.positions);
}

Block<OnGpu> ForwardKv::attend(int step, const Block<OnGpu>& resident) {
  DeviceStep pair;
  set_queries(pair, *shard_.Q, *shard_.q_positions);
  set_keys(pair, resident[0], resident[1], resident[2]);
  set_state(pair, state_.block(device_));
  set_results(pair);
  attend_all(step, pair);
  return {};
}

PassDescription ForwardKv::description() const {
  return with_buffers(
      {"forward",
       "K V",
       "",
       {{"Q", shard_.query_bytes()}, {"m l O", state_.bytes()}, {"out lse", results_.bytes()}}});
}

// ---- Q rotates ---------------------------------------------------------------

ForwardQ::ForwardQ(int device, GpuShard shard, GpuResults results, std::array<GpuState, 2> states,
                   const GpuRingConfig& config, BatchedLaunch<AttentionStep>& batched_launch,
                   BatchedMerge& batched_merge)
    : Forward(device, std::move(shard), std::move(results), config, batched_launch),
      states_(std::move(states)),
      batched_merge_(batched_merge) {}

Block<OnGpu> ForwardQ::own_block() { return shard_.queries(device_); }

BlockWork ForwardQ::work_with(const Block<OnGpu>& resident) const {
  return work_between(*resident.positions, *shard_.kv_host_positions);
}

Block<OnGpu> ForwardQ::attend(int step, const Block<OnGpu>& resident) {
  GpuBlock result = states_[static_cast<std::size_t>(step % 2)].block(resident.owner);
  set_rows(result, resident[0].shape().S);

  DeviceStep pair;
  set_queries(pair, resident[0], resident[1]);
  set_keys(pair, *shard_.K, *shard_.V, *shard_.kv_positions);
  set_state(pair, result);
  set_results(pair);  // which no wave writes, as none is the last of a state
  if (attend_all(step, pair)) batched_merge_.wait_for_compute();
  return result;
}

void ForwardQ::accumulate(int step, Block<OnGpu>& result, Block<OnGpu> arrived) {
  StatePair pair;
  pair.m = result.tensors[0]->as<float>(), pair.l = result.tensors[1]->as<float>();
  pair.O = result.tensors[2]->as<float>();
  pair.m_other = arrived[0].as<float>(), pair.l_other = arrived[1].as<float>();
  pair.O_other = arrived[2].as<float>();
  pair.rows = static_cast<int>(result[0].shape().S);
  batched_merge_.add(step, pair);
}

void ForwardQ::accept_results(Block<OnGpu> result) {
  DeviceStep home;
  set_state(home, result);
  set_results(home);
  home.q_rows = static_cast<int>(result[0].shape().S);
  batched_merge_.finish(home);
}

PassDescription ForwardQ::description() const {
  return with_buffers({"forward",
                       "Q",
                       "m l O",
                       {{"K", shard_.K->bytes()},
                        {"V", shard_.V->bytes() + shard_.kv_positions->bytes()},
                        {"m l O", config_.result_bytes},
                        {"out lse", results_.bytes()}}});
}

}  // namespace ringattn::gpu
