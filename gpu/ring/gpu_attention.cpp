#include "gpu/ring/gpu_attention.h"

#include <algorithm>
#include <optional>

#include "gpu/ring/forward.h"
#include "gpu/ring/limits.h"
#include "gpu/ring/stream_link.h"
#include "reference/ring/loop.h"

namespace ringattn::gpu {

namespace {

Reach reach_of(const Mask& mask) {
  const auto reach = [](std::int64_t distance) {
    return distance < 0 ? int{Reach::unlimited}
                        : static_cast<int>(std::min<std::int64_t>(distance, Reach::unlimited));
  };
  return {reach(mask.window_left), mask.causal ? 0 : reach(mask.window_right)};
}

AttentionStep common_step(const Problem<float>& problem, Dtype dtype, int devices) {
  const Shape &q = problem.Q.shape, &k = problem.K.shape, &v = problem.V.shape;
  AttentionStep step;
  step.element = dtype == Dtype::f32 ? Element::f32 : dtype == Dtype::bf16 ? Element::bf16 : Element::f16;
  step.B = static_cast<int>(q.B), step.H = static_cast<int>(q.H), step.Hkv = static_cast<int>(k.H);
  step.d = static_cast<int>(q.D), step.dv = static_cast<int>(v.D);
  step.scale = static_cast<float>(problem.scoring.scale(q.D));
  step.reach = reach_of(problem.scoring.mask);
  step.devices = devices;
  return step;
}

// Room for the largest block that travels
GpuBlock spare_block(const Agreement& agreement, Dtype dtype, Stream& stream) {
  const auto rows_of = [&](Shape shape) { return shape.S = agreement.kv_rows, shape; };
  const Index bytes = bytes_per_element(dtype);
  return {-1,
          nullptr,
          {unwritten(rows_of(agreement.k), bytes, stream), unwritten(rows_of(agreement.v), bytes, stream),
           unwritten({1, agreement.kv_rows, 1, 1}, sizeof(int), stream)}};
}

Agreement agree(const Problem<float>& problem, const RingOptions& options) {
  Agreement agreement;
  agreement.scoring = problem.scoring;
  agreement.layout = options.layout;
  agreement.devices = options.devices;
  agreement.q = problem.Q.shape, agreement.k = problem.K.shape, agreement.v = problem.V.shape;
  agreement.q_rows = largest_shard(options.layout, options.devices, problem.Q.shape.S);
  agreement.kv_rows = largest_shard(options.layout, options.devices, problem.K.shape.S);
  return agreement;
}

// All devices in this thread, which asks the streams for everything and waits for nothing
void go_round(std::vector<ForwardKv>& works, StreamLink& link, const RingOptions& options,
              const Tracing& tracing) {
  Recorders facts(static_cast<std::size_t>(options.devices));
  if (tracing.sink) facts = recorders(*tracing.sink, options.devices, tracing.cost);
  std::vector<Device<OnGpu>> devices;
  for (int d = 0; d < options.devices; ++d)
    devices.emplace_back(d, options.devices, works[static_cast<std::size_t>(d)], link,
                         facts[static_cast<std::size_t>(d)]);
  run_ring(std::span<Device<OnGpu>>(devices), options.devices, options.overlap);
}

}  // namespace

Attended<float> ring_attention(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                               int at_most_rung, const Tracing& tracing) {
  check(problem, dtype, options);
  Agreement agreement = agree(problem, options);
  Stream compute, copies;
  std::optional<StreamClock> clock;
  if (tracing.sink) clock.emplace(*tracing.sink, options.devices);
  StreamClock* const timed = clock ? &*clock : nullptr;
  Wave wave(common_step(problem, dtype, options.devices), at_most_rung, compute, timed);

  std::vector<ForwardKv> works;
  std::vector<GpuBlock> spare(static_cast<std::size_t>(options.devices));
  for (int d = 0; d < options.devices; ++d) {
    GpuShard shard(problem, dtype, agreement, d, compute);
    agreement.slot_bytes = std::max(agreement.slot_bytes, shard.kv_bytes());
    GpuState state(agreement, shard.Q->shape().S, compute);
    works.emplace_back(d, std::move(shard), std::move(state), agreement, wave);
    if (options.devices > 1 && options.exchange == Exchange::copied)
      spare[static_cast<std::size_t>(d)] = spare_block(agreement, dtype, compute);
  }
  compute.finish();

  StreamLink link(std::move(spare), options.exchange, compute, copies, timed);
  if (clock) clock->start(compute);
  go_round(works, link, options, clock ? Tracing{&*clock, tracing.cost} : Tracing{});
  if (clock) clock->hand_on(compute);

  const Shape out = problem.out_shape();
  Attended<float> result{Tensor<float>(out), row_tensor<float>(out.B, out.S, out.H)};
  for (const ForwardKv& work : works) {
    scatter_rows(from_gpu(*work.shard().out, dtype, compute), work.shard().rows, result.out);
    scatter_rows(from_gpu(*work.shard().lse, Dtype::f32, compute), work.shard().rows, result.lse);
  }
  return result;
}

}  // namespace ringattn::gpu
