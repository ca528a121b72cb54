#include "gpu/ring/gpu_ring.h"

#include <algorithm>

#include "reference/definition/layout.h"
#include "reference/ring/device.h"
#include "reference/ring/loop.h"

namespace ringattn::gpu {

// ---- What all agree upon --------------------------------------------------------------------

Agreement agreement_on(const Scoring& scoring, const Shape& q, const Shape& k, const Shape& v,
                       const RingOptions& options) {
  Agreement agreement;
  agreement.scoring = scoring;
  agreement.layout = options.layout;
  agreement.devices = options.devices;
  agreement.q = q, agreement.k = k, agreement.v = v;
  agreement.q_rows = largest_shard(options.layout, options.devices, q.S);
  agreement.kv_rows = largest_shard(options.layout, options.devices, k.S);
  return agreement;
}

namespace {

Reach reach_of(const Mask& mask) {
  const auto reach = [](std::int64_t distance) {
    return distance < 0 ? int{Reach::unlimited}
                        : static_cast<int>(std::min<std::int64_t>(distance, Reach::unlimited));
  };
  return {reach(mask.window_left), mask.causal ? 0 : reach(mask.window_right)};
}

}  // namespace

AttentionStep common_step(const Agreement& agreement, Dtype dtype) {
  const Shape &q = agreement.q, &k = agreement.k, &v = agreement.v;
  AttentionStep step;
  step.element = dtype == Dtype::f32 ? Element::f32 : dtype == Dtype::bf16 ? Element::bf16 : Element::f16;
  step.B = static_cast<int>(q.B), step.H = static_cast<int>(q.H), step.Hkv = static_cast<int>(k.H);
  step.d = static_cast<int>(q.D), step.dv = static_cast<int>(v.D);
  step.scale = static_cast<float>(agreement.scoring.scale(q.D));
  step.reach = reach_of(agreement.scoring.mask);
  step.devices = agreement.devices;
  return step;
}

// ---- The ring -------------------------------------------------------------------------------

GpuRing::GpuRing(const Agreement& agreement, const Tokens& queries, const Tokens& keys, Dtype dtype,
                 const RingOptions& options, int at_most_rung, const MakeTensor& make, const Tracing& tracing)
    : agreement_(agreement),
      dtype_(dtype),
      options_(options),
      tracing_(tracing),
      clock_(tracing.sink ? std::make_optional<StreamClock>(*tracing.sink, options.devices) : std::nullopt),
      wave_(common_step(agreement, dtype), options.rotate, at_most_rung, compute_,
            clock_ ? &*clock_ : nullptr),
      merging_(common_step(agreement, dtype), compute_, merges_, clock_ ? &*clock_ : nullptr) {
  make_works(queries, keys, make);
  StreamLink::Traffic ahead{compute_, spare_blocks(options.devices > 1, [&] { return spare_ahead(); })};
  StreamLink::Traffic behind{merges_, spare_blocks(options.rotate == Rotation::q, [&] {
                               return GpuState(agreement_, agreement_.q_rows, compute_).block(-1);
                             })};
  link_ = std::make_unique<StreamLink>(std::move(ahead), std::move(behind), options.exchange, copies_,
                                       clock_ ? &*clock_ : nullptr);
  compute_.finish();
}

void GpuRing::make_works(const Tokens& queries, const Tokens& keys, const MakeTensor& make) {
  for (int d = 0; d < options_.devices; ++d) {
    GpuShard shard(agreement_, queries, keys, dtype_, d, make, compute_);
    if (options_.rotate == Rotation::kv) {
      agreement_.slot_bytes = std::max(agreement_.slot_bytes, shard.kv_bytes());
      GpuState state(agreement_, shard.Q->shape().S, compute_);
      works_.push_back(std::make_unique<ForwardKv>(d, std::move(shard), std::move(state), agreement_, wave_));
    } else {
      agreement_.slot_bytes = std::max(agreement_.slot_bytes, shard.query_bytes());
      const auto state = [&] { return GpuState(agreement_, agreement_.q_rows, compute_); };
      std::array<GpuState, 2> states{state(), state()};
      agreement_.result_bytes = states[0].bytes();
      works_.push_back(
          std::make_unique<ForwardQ>(d, std::move(shard), std::move(states), agreement_, wave_, merging_));
    }
  }
}

// Room for the largest block that travels ahead
GpuBlock GpuRing::spare_ahead() {
  const bool kv = options_.rotate == Rotation::kv;
  const Index rows = kv ? agreement_.kv_rows : agreement_.q_rows;
  const auto room_for = [&](Shape shape) {
    shape.S = rows;
    return unwritten(shape, bytes_per_element(dtype_), compute_);
  };
  const auto positions = unwritten({1, rows, 1, 1}, sizeof(int), compute_);
  if (kv) return {-1, nullptr, {room_for(agreement_.k), room_for(agreement_.v), positions}};
  return {-1, nullptr, {room_for(agreement_.q), positions}};
}

// Where messages are copied, each device has a block for what comes in
template <class MakeBlock>
std::vector<GpuBlock> GpuRing::spare_blocks(bool messages, MakeBlock make_block) {
  std::vector<GpuBlock> blocks(static_cast<std::size_t>(options_.devices));
  if (messages && options_.exchange == Exchange::copied)
    std::generate(blocks.begin(), blocks.end(), make_block);
  return blocks;
}

void GpuRing::go_round() {
  if (clock_) clock_->start(compute_);
  StreamClock* const sink = clock_ ? &*clock_ : nullptr;
  Recorders facts(static_cast<std::size_t>(options_.devices));
  if (sink) facts = recorders(*sink, options_.devices, tracing_.cost);
  std::vector<Device<OnGpu>> devices;
  for (int d = 0; d < options_.devices; ++d) {
    const auto i = static_cast<std::size_t>(d);
    devices.emplace_back(d, options_.devices, *works_[i], *link_, facts[i]);
  }
  run_ring(std::span<Device<OnGpu>>(devices), options_.devices, options_.overlap);
}

void GpuRing::finish() {
  if (clock_) clock_->hand_on(compute_);
  compute_.finish();
}

Index GpuRing::bytes(int device) const {
  Index sum = 0;
  for (const auto& [what, bytes] : works_[static_cast<std::size_t>(device)]->holdings()) sum += bytes;
  return sum;
}

}  // namespace ringattn::gpu
