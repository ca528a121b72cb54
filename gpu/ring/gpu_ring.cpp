#include "gpu/ring/gpu_ring.h"

#include <algorithm>

#include "gpu/backward/backward_step.h"
#include "gpu/ring/transfer.h"
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

template <class Step>
Step common_step(const Agreement& agreement, Dtype dtype) {
  const Shape &q = agreement.q, &k = agreement.k, &v = agreement.v;
  Step step;
  step.element = dtype == Dtype::f32 ? Element::f32 : dtype == Dtype::bf16 ? Element::bf16 : Element::f16;
  step.B = static_cast<int>(q.B), step.H = static_cast<int>(q.H), step.Hkv = static_cast<int>(k.H);
  step.d = static_cast<int>(q.D), step.dv = static_cast<int>(v.D);
  step.scale = static_cast<float>(agreement.scoring.scale(q.D));
  step.reach = reach_of(agreement.scoring.mask);
  step.devices = agreement.devices;
  return step;
}

template AttentionStep common_step(const Agreement&, Dtype);
template BackwardStep common_step(const Agreement&, Dtype);

// ---- The ring -------------------------------------------------------------------------------

GpuRing::GpuRing(const Agreement& agreement, Dtype dtype, const GpuOptions& options, Tracing* tracing)
    : agreement_(agreement), dtype_(dtype), options_(options), tracing_(tracing) {}

std::vector<GpuBlock> GpuRing::spare_blocks(const GpuBlock& block) {
  std::vector<GpuBlock> blocks(static_cast<std::size_t>(options_.devices));
  const Index rows = kv_rotates() ? agreement_.kv_rows : agreement_.q_rows;
  if (options_.exchange == Exchange::copied)
    std::generate(blocks.begin(), blocks.end(), [&] { return room_like(block, rows, compute_); });
  return blocks;
}

void GpuRing::link(const GpuBlock& ahead, const GpuBlock& behind) {
  const bool alone = options_.devices == 1;
  link_ =
      std::make_unique<StreamLink>(StreamLink::Traffic{compute_, spare_blocks(alone ? GpuBlock() : ahead)},
                                   StreamLink::Traffic{joins_, spare_blocks(behind)}, options_.exchange,
                                   copies_, options_.communicator, clock());
  compute_.finish();
}

void GpuRing::go_round() {
  if (clock()) clock()->start(compute_);
  Recorders silent(static_cast<std::size_t>(options_.devices));
  Recorders& facts = tracing_ ? tracing_->pens : silent;
  std::vector<Device<OnGpu>> devices;
  for (int d = 0; d < options_.devices; ++d)
    devices.emplace_back(d, options_.devices, work(d), *link_, facts[static_cast<std::size_t>(d)]);
  run_ring(std::span<Device<OnGpu>>(devices), options_.devices, options_.overlap);
  joins_.record(joined_);
  compute_.wait_for(joined_);
}

void GpuRing::finish() {
  if (clock()) clock()->hand_on(compute_);
  compute_.finish();
  if (options_.communicator) options_.communicator->check_on_the_way();
}

Index GpuRing::bytes(int device) {
  Index sum = 0;
  for (const auto& [what, bytes] : work(device).holdings()) sum += bytes;
  return sum;
}

}  // namespace ringattn::gpu
