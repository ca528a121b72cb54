#include "gpu/ring/forward_ring.h"

#include "gpu/kernels/ladder.h"

namespace ringattn::gpu {

namespace {

// Where K and V rotate, states are carried from wave to wave; where Q rotates, each wave makes states of its
// own
Wave<AttentionStep>::Launch wave_by(const Rung& rung, bool kv_rotates, int devices) {
  return [&rung, kv_rotates, devices](AttentionStep& step, int ring_step, cudaStream_t stream) {
    step.first = !kv_rotates || ring_step == 0;
    step.last = kv_rotates && ring_step == devices - 1;
    rung.launch(step, stream);
  };
}

}  // namespace

ForwardRing::ForwardRing(const Agreement& agreement, const Tokens& queries, const Tokens& keys, Dtype dtype,
                         const GpuOptions& options, int at_most_rung, const MakeTensor& make,
                         Tracing* tracing)
    : GpuRing(agreement, dtype, options, tracing),
      wave_(common(), wave_by(highest_rung(common(), at_most_rung), kv_rotates(), options.devices), compute_,
            clock()),
      merging_(common(), compute_, joins_, clock()) {
  const auto [begin, end] = options.here();
  for (int d = begin; d < end; ++d)
    works_.push_back(make_work(d, GpuShard(agreement_, queries, keys, d, make, compute_)));
  const GpuShard& some = works_[0]->shard();
  if (kv_rotates())
    link(some.keys(-1), {});
  else
    link(some.queries(-1), GpuState(agreement_, 0, compute_).block(-1));
}

AttentionStep ForwardRing::common() {
  auto step = common_step<AttentionStep>(agreement_, dtype_, options_.here().count());
  step.taken_tiles = taken_tiles_.number();
  if (options_.communicator) step.spared_processors = Communicator::most_processors;
  return step;
}

std::unique_ptr<Forward> ForwardRing::make_work(int device, GpuShard shard) {
  const Index rows = shard.Q->shape().S;
  const auto state = [&](Index room) { return GpuState(agreement_, room, compute_); };
  GpuResults results(agreement_, rows, dtype_, compute_);
  if (kv_rotates())
    return std::make_unique<ForwardKv>(device, std::move(shard), std::move(results), state(rows), agreement_,
                                       wave_);
  std::array<GpuState, 2> states{state(agreement_.q_rows), state(agreement_.q_rows)};
  return std::make_unique<ForwardQ>(device, std::move(shard), std::move(results), std::move(states),
                                    agreement_, wave_, merging_);
}

}  // namespace ringattn::gpu
