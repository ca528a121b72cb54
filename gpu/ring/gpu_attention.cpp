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

// ---- Devices --------------------------------------------------------------------------------

using Works = std::vector<std::unique_ptr<Forward>>;

Works works_of(const Problem<float>& problem, Dtype dtype, const RingOptions& options, Agreement& agreement,
               Wave& wave, Merging& merging, Stream& stream) {
  Works works;
  for (int d = 0; d < options.devices; ++d) {
    GpuShard shard(problem, dtype, agreement, d, stream);
    if (options.rotate == Rotation::kv) {
      agreement.slot_bytes = std::max(agreement.slot_bytes, shard.kv_bytes());
      GpuState state(agreement, shard.Q->shape().S, stream);
      works.push_back(std::make_unique<ForwardKv>(d, std::move(shard), std::move(state), agreement, wave));
    } else {
      agreement.slot_bytes = std::max(agreement.slot_bytes, shard.query_bytes());
      const auto state = [&] { return GpuState(agreement, agreement.q_rows, stream); };
      std::array<GpuState, 2> states{state(), state()};
      agreement.result_bytes = states[0].bytes();
      works.push_back(
          std::make_unique<ForwardQ>(d, std::move(shard), std::move(states), agreement, wave, merging));
    }
  }
  return works;
}

// Room for the largest block that travels ahead
GpuBlock spare_block(const Agreement& agreement, Dtype dtype, Rotation rotate, Stream& stream) {
  const Index rows = rotate == Rotation::kv ? agreement.kv_rows : agreement.q_rows;
  const auto room_for = [&](Shape shape) {
    shape.S = rows;
    return unwritten(shape, bytes_per_element(dtype), stream);
  };
  const auto positions = unwritten({1, rows, 1, 1}, sizeof(int), stream);
  if (rotate == Rotation::q) return {-1, nullptr, {room_for(agreement.q), positions}};
  return {-1, nullptr, {room_for(agreement.k), room_for(agreement.v), positions}};
}

// Where messages are copied, each device has a block for what comes in
template <class MakeBlock>
std::vector<GpuBlock> spare_blocks(const RingOptions& options, bool messages, MakeBlock make_block) {
  std::vector<GpuBlock> blocks(static_cast<std::size_t>(options.devices));
  if (messages && options.exchange == Exchange::copied)
    std::generate(blocks.begin(), blocks.end(), make_block);
  return blocks;
}

// All devices in this thread, which asks the streams for everything and waits for nothing
void go_round(const Works& works, StreamLink& link, const RingOptions& options, const Tracing& tracing) {
  Recorders facts(static_cast<std::size_t>(options.devices));
  if (tracing.sink) facts = recorders(*tracing.sink, options.devices, tracing.cost);
  std::vector<Device<OnGpu>> devices;
  for (int d = 0; d < options.devices; ++d) {
    const auto i = static_cast<std::size_t>(d);
    devices.emplace_back(d, options.devices, *works[i], link, facts[i]);
  }
  run_ring(std::span<Device<OnGpu>>(devices), options.devices, options.overlap);
}

}  // namespace

const Rung& rung_for(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                     int at_most_rung) {
  return highest_rung(common_step(problem, dtype, options.devices), at_most_rung);
}

Attended<float> ring_attention(const Problem<float>& problem, Dtype dtype, const RingOptions& options,
                               int at_most_rung, const Tracing& tracing) {
  check(problem, dtype, options);
  Agreement agreement = agree(problem, options);
  Stream compute, merges, copies;
  std::optional<StreamClock> clock;
  if (tracing.sink) clock.emplace(*tracing.sink, options.devices);
  StreamClock* const timed = clock ? &*clock : nullptr;

  const AttentionStep common = common_step(problem, dtype, options.devices);
  Wave wave(common, options.rotate, at_most_rung, compute, timed);
  Merging merging(common, compute, merges, timed);
  const Works works = works_of(problem, dtype, options, agreement, wave, merging, compute);
  StreamLink::Traffic ahead{compute, spare_blocks(options, options.devices > 1, [&] {
                              return spare_block(agreement, dtype, options.rotate, compute);
                            })};
  StreamLink::Traffic behind{merges, spare_blocks(options, options.rotate == Rotation::q, [&] {
                               return GpuState(agreement, agreement.q_rows, compute).block(-1);
                             })};
  StreamLink link(std::move(ahead), std::move(behind), options.exchange, copies, timed);
  compute.finish();

  if (clock) clock->start(compute);
  go_round(works, link, options, {timed, tracing.cost});
  if (clock) clock->hand_on(compute);

  const Shape out = problem.out_shape();
  Attended<float> result{Tensor<float>(out), row_tensor<float>(out.B, out.S, out.H)};
  for (const auto& work : works) {
    const GpuShard& shard = work->shard();
    scatter_rows(from_gpu(*shard.out, dtype, compute), shard.rows, result.out);
    scatter_rows(from_gpu(*shard.lse, Dtype::f32, compute), shard.rows, result.lse);
  }
  return result;
}

}  // namespace ringattn::gpu
