#include "gpu/ring/gpu_ring.h"

#include <algorithm>

#include "gpu/backward/backward_step.h"
#include "gpu/ring/nccl_link.h"
#include "gpu/ring/stream_link.h"
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
Step common_step(const Agreement& agreement, Dtype dtype, int devices) {
  const Shape &q = agreement.q, &k = agreement.k, &v = agreement.v;
  Step step;
  step.element = dtype == Dtype::f32 ? Element::f32 : dtype == Dtype::bf16 ? Element::bf16 : Element::f16;
  step.B = static_cast<int>(q.B), step.H = static_cast<int>(q.H), step.Hkv = static_cast<int>(k.H);
  step.d = static_cast<int>(q.D), step.dv = static_cast<int>(v.D);
  step.scale = static_cast<float>(agreement.scoring.scale(q.D));
  step.reach = reach_of(agreement.scoring.mask);
  step.devices = devices;
  return step;
}

template AttentionStep common_step(const Agreement&, Dtype, int);
template BackwardStep common_step(const Agreement&, Dtype, int);

// ---- The ring -------------------------------------------------------------------------------

GpuRing::GpuRing(const Agreement& agreement, Dtype dtype, const GpuOptions& options, Tracing* tracing)
    : agreement_(agreement), dtype_(dtype), options_(options), tracing_(tracing) {}

std::vector<GpuBlock> GpuRing::spare_blocks(const GpuBlock& block) {
  std::vector<GpuBlock> blocks(static_cast<std::size_t>(options_.here().count()));
  if (options_.exchange == Exchange::copied || options_.neighbours)
    std::generate(blocks.begin(), blocks.end(), [&] { return room_like(block, rows_that_fit(), compute_); });
  return blocks;
}

std::vector<Index> GpuRing::rows_by_owner() const {
  std::vector<Index> rows;
  for (int owner = 0; owner < options_.devices; ++owner)
    rows.push_back(static_cast<Index>(rows_of_device(options_.layout, owner, options_.devices,
                                                     kv_rotates() ? agreement_.k.S : agreement_.q.S)
                                          .size()));
  return rows;
}

void GpuRing::link(const GpuBlock& ahead, const GpuBlock& behind) {
  const bool alone = options_.devices == 1;
  Traffic forth{compute_, spare_blocks(alone ? GpuBlock() : ahead)}, back{joins_, spare_blocks(behind)};
  if (options_.neighbours)
    link_ = std::make_unique<NcclLink>(*options_.neighbours, rows_by_owner(), std::move(forth),
                                       std::move(back), copies_, clock());
  else
    link_ = std::make_unique<StreamLink>(std::move(forth), std::move(back), options_.exchange, copies_,
                                         options_.communicator, clock());
  agreement_.slot_bytes = bytes_with(ahead, rows_that_fit());
  agreement_.result_bytes = bytes_with(behind, rows_that_fit());
  compute_.finish();
}

template <class F>
void GpuRing::end_streams_if_it_throws(F f) {
  try {
    f();
  } catch (...) {
    if (options_.communicator) options_.communicator->abort();
    throw;
  }
}

void GpuRing::go_round() {
  if (clock()) clock()->start(compute_);
  Recorders silent(static_cast<std::size_t>(options_.devices));
  Recorders& facts = tracing_ ? tracing_->pens : silent;
  std::vector<Device<OnGpu>> mine;
  const auto [begin, end] = options_.here();
  for (int d = begin; d < end; ++d)
    mine.emplace_back(d, options_.devices, work(d), *link_, facts[static_cast<std::size_t>(d)]);
  end_streams_if_it_throws(
      [&] { run_ring(std::span<Device<OnGpu>>(mine), options_.devices, options_.overlap); });
  joins_.record(joined_);
  compute_.wait_for(joined_);
}

void GpuRing::finish() {
  if (clock()) clock()->end(compute_);
  end_streams_if_it_throws([&] {
    if (options_.communicator)
      options_.communicator->wait_for(compute_);
    else
      compute_.finish();
  });
  if (clock()) clock()->hand_on();
}

Index GpuRing::bytes(int device) {
  Index sum = 0;
  for (const auto& [what, bytes] : work(device).holdings()) sum += bytes;
  return sum;
}

}  // namespace ringattn::gpu
