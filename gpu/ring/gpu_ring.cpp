#include "gpu/ring/gpu_ring.h"

#include <algorithm>

#include "gpu/backward/backward_step.h"
#include "gpu/tensor/host_copy.h"
#include "gpu/transport/nccl_link.h"
#include "gpu/transport/stream_link.h"
#include "reference/definition/layout.h"
#include "reference/ring/device.h"
#include "reference/ring/loop.h"
#include "reference/ring/record/recorded_program.h"

namespace ringattn::gpu {

// ---- Configuration --------------------------------------------------------------------

RingConfig make_ring_config(const Scoring& scoring, const Shape& q, const Shape& k, const Shape& v,
                            const RingOptions& options) {
  RingConfig config;
  config.scoring = scoring;
  config.layout = options.layout;
  config.devices = options.devices;
  config.q = q, config.k = k, config.v = v;
  config.q_rows = largest_shard(options.layout, options.devices, q.S);
  config.kv_rows = largest_shard(options.layout, options.devices, k.S);
  return config;
}

namespace {

Window window_of(const Mask& mask) {
  const auto bound = [](std::int64_t distance) {
    return distance < 0 ? int{Window::unlimited}
                        : static_cast<int>(std::min<std::int64_t>(distance, Window::unlimited));
  };
  return {bound(mask.window_left), mask.causal ? 0 : bound(mask.window_right)};
}

}  // namespace

template <class Step>
Step common_step(const RingConfig& config, Dtype dtype, int devices) {
  const Shape &q = config.q, &k = config.k, &v = config.v;
  Step step;
  step.element = dtype == Dtype::f32 ? Element::f32 : dtype == Dtype::bf16 ? Element::bf16 : Element::f16;
  step.B = static_cast<int>(q.B), step.H = static_cast<int>(q.H), step.Hkv = static_cast<int>(k.H);
  step.d = static_cast<int>(q.D), step.dv = static_cast<int>(v.D);
  step.scale = static_cast<float>(config.scoring.scale(q.D));
  step.window = window_of(config.scoring.mask);
  step.devices = devices;
  return step;
}

template AttentionStep common_step(const RingConfig&, Dtype, int);
template BackwardStep common_step(const RingConfig&, Dtype, int);

// ---- The ring -------------------------------------------------------------------------------

GpuRing::GpuRing(const RingConfig& config, Dtype dtype, const GpuOptions& options, Tracing* tracing)
    : config_{config}, dtype_(dtype), options_(options), tracing_(tracing) {}

std::vector<GpuBlock> GpuRing::receive_blocks(const GpuBlock& block) {
  std::vector<GpuBlock> blocks(static_cast<std::size_t>(options_.local_devices().count()));
  if (options_.exchange == Exchange::copy || options_.peers)
    std::generate(blocks.begin(), blocks.end(),
                  [&] { return buffers_like(block, max_rows(), compute_stream_); });
  return blocks;
}

std::vector<Index> GpuRing::rows_by_owner() const {
  std::vector<Index> rows;
  for (int owner = 0; owner < options_.devices; ++owner)
    rows.push_back(static_cast<Index>(
        rows_of_device(options_.layout, owner, options_.devices, kv_rotates() ? config_.k.S : config_.q.S)
            .size()));
  return rows;
}

void GpuRing::make_link(const GpuBlock& ahead, const GpuBlock& behind) {
  const bool alone = options_.devices == 1;
  ChannelBuffers block_buffers{compute_stream_, receive_blocks(alone ? GpuBlock() : ahead)},
      result_buffers{accumulate_stream_, receive_blocks(behind)};
  if (options_.peers)
    link_ = std::make_unique<NcclLink>(*options_.peers, rows_by_owner(), std::move(block_buffers),
                                       std::move(result_buffers), copy_stream_, clock());
  else
    link_ = std::make_unique<StreamLink>(std::move(block_buffers), std::move(result_buffers),
                                         options_.exchange, copy_stream_, options_.communicator, clock());
  config_.block_bytes = bytes_for_rows(ahead, max_rows());
  config_.result_bytes = bytes_for_rows(behind, max_rows());
  compute_stream_.synchronize();
}

template <class F>
void GpuRing::abort_on_error(F f) {
  try {
    f();
  } catch (...) {
    if (options_.communicator) options_.communicator->abort();
    throw;
  }
}

void GpuRing::run() {
  if (clock()) clock()->start(compute_stream_);
  Recorders silent(static_cast<std::size_t>(options_.devices));
  Recorders& recorders = tracing_ ? tracing_->recorders : silent;
  std::vector<RecordedProgram<OnGpu>> recorded;
  std::vector<Device<OnGpu>> local;
  const auto [begin, end] = options_.local_devices();
  recorded.reserve(static_cast<std::size_t>(end - begin));
  for (int d = begin; d < end; ++d) {
    Recorder& recorder = recorders[static_cast<std::size_t>(d)];
    DeviceProgram<OnGpu>* used = &program(d);
    if (tracing_) used = &recorded.emplace_back(*used, recorder);
    local.emplace_back(d, ring_schedule(d, options_.devices), *used, *link_, recorder);
  }
  abort_on_error([&] { run_ring(std::span<Device<OnGpu>>(local), options_.devices, options_.overlap); });
  accumulate_stream_.record(joined_);
  compute_stream_.wait_for(joined_);
}

void GpuRing::finish() {
  if (clock()) clock()->end(compute_stream_);
  abort_on_error([&] {
    if (options_.communicator)
      options_.communicator->wait_for(compute_stream_);
    else
      compute_stream_.synchronize();
  });
  if (clock()) clock()->flush();
}

Index GpuRing::bytes(int device) {
  Index sum = 0;
  for (const auto& [what, bytes] : program(device).description().allocations) sum += bytes;
  return sum;
}

}  // namespace ringattn::gpu
