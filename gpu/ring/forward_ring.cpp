#include "gpu/ring/forward_ring.h"

#include "gpu/kernels/ladder.h"

namespace ringattn::gpu {

namespace {

// With K and V rotating, states are carried from step to step; with Q rotating, each step starts new states
BatchedLaunch<AttentionStep>::Launch launch_with(const Rung& rung, bool kv_rotates, int devices) {
  return [&rung, kv_rotates, devices](AttentionStep& step, int ring_step, cudaStream_t stream) {
    step.first = !kv_rotates || ring_step == 0;
    step.last = kv_rotates && ring_step == devices - 1;
    rung.launch(step, stream);
  };
}

}  // namespace

ForwardRing::ForwardRing(const RingConfig& config, const RowPositions& queries, const RowPositions& keys,
                         Dtype dtype, const GpuOptions& options, int max_rung, const MakeTensor& make,
                         Tracing* tracing)
    : GpuRing(config, dtype, options, tracing),
      batched_launch_(common(), launch_with(highest_rung(common(), max_rung), kv_rotates(), options.devices),
                      compute_stream_, clock()),
      batched_merge_(common(), compute_stream_, accumulate_stream_, clock()) {
  const auto [begin, end] = options.local_devices();
  for (int d = begin; d < end; ++d)
    programs_.push_back(make_program(d, GpuShard(config_, queries, keys, d, make, compute_stream_)));
  const GpuShard& some = programs_[0]->shard();
  if (kv_rotates())
    make_link(some.keys(-1), {});
  else
    make_link(some.queries(-1), GpuState(config_, 0, compute_stream_).block(-1));
}

AttentionStep ForwardRing::common() {
  auto step = common_step<AttentionStep>(config_, dtype_, options_.local_devices().count());
  step.tile_counter = tile_counter_.data();
  if (options_.communicator) step.reserved_sms = Communicator::max_ctas;
  return step;
}

std::unique_ptr<Forward> ForwardRing::make_program(int device, GpuShard shard) {
  const Index rows = shard.Q->shape().S;
  const auto state = [&](Index room) { return GpuState(config_, room, compute_stream_); };
  GpuResults results(config_, rows, dtype_, compute_stream_);
  if (kv_rotates())
    return std::make_unique<ForwardKv>(device, std::move(shard), std::move(results), state(rows), config_,
                                       batched_launch_);
  std::array<GpuState, 2> states{state(config_.q_rows), state(config_.q_rows)};
  return std::make_unique<ForwardQ>(device, std::move(shard), std::move(results), std::move(states), config_,
                                    batched_launch_, batched_merge_);
}

}  // namespace ringattn::gpu
