#include "gpu/ring/backward_ring.h"

#include "gpu/backward/row_term.h"

namespace ringattn::gpu {

namespace {

// Gradients of the tensors that stay are summed over the steps; those of the resident block are new at each step
BatchedLaunch<BackwardStep>::Launch launch_with(const BackwardRung& rung, bool kv_rotates) {
  return [&rung, kv_rotates](BackwardStep& step, int ring_step, cudaStream_t stream) {
    step.add_to_dQ = kv_rotates && ring_step > 0;
    step.add_to_dK_dV = !kv_rotates && ring_step > 0;
    rung.launch(step, stream);
  };
}

SumStep sums_of(int devices) {
  SumStep sums;
  sums.devices = devices;
  return sums;
}

}  // namespace

BackwardRing::BackwardRing(const RingConfig& config, const RowPositions& queries, const RowPositions& keys,
                           Dtype dtype, const GpuOptions& options, int max_rung, bool deterministic,
                           const MakeTensor& make, Tracing* tracing)
    : GpuRing(config, dtype, options, tracing),
      batched_launch_(common(), launch_with(highest_rung(common(), max_rung, deterministic), kv_rotates()),
                      compute_stream_, clock()),
      sums_(sums_of(options.local_devices().count()), launch_sum, compute_stream_, accumulate_stream_,
            clock()) {
  const auto [begin, end] = options.local_devices();
  std::vector<GpuShard> shards;
  for (int d = begin; d < end; ++d) shards.emplace_back(config_, queries, keys, d, make, compute_stream_);
  std::vector<GpuCotangents> cotangents = make_cotangents(shards, make);
  for (int d = begin; d < end; ++d) {
    const auto i = static_cast<std::size_t>(d - begin);
    programs_.push_back(make_program(d, std::move(shards[i]), std::move(cotangents[i])));
  }
  make_link(programs_[0]->own_block(), allocate_results());
}

BackwardStep BackwardRing::common() const {
  return common_step<BackwardStep>(config_, dtype_, options_.local_devices().count());
}

// Only row_term needs out and dlse; they are freed afterwards
std::vector<GpuCotangents> BackwardRing::make_cotangents(const std::vector<GpuShard>& shards,
                                                         const MakeTensor& make) {
  const BackwardStep of = common();
  RowTermStep step{of.element, of.B, of.H, of.dv, of.devices, {}};
  std::vector<GpuCotangents> cotangents;
  std::vector<std::shared_ptr<GpuTensor>> kept;
  for (const GpuShard& shard : shards) {
    const GpuCotangents& rows = cotangents.emplace_back(config_, shard, make, compute_stream_);
    const auto count = static_cast<Index>(shard.rows.size());
    const auto out = kept.emplace_back(make("out", shard.rows, *shard.q_positions, count));
    const auto dlse = kept.emplace_back(make("dlse", shard.rows, *shard.q_positions, count));
    step.device[cotangents.size() - 1] = {rows.dO->data(),
                                          out->data(),
                                          rows.lse->as<float>(),
                                          dlse ? dlse->as<float>() : nullptr,
                                          rows.row_term->as<float>(),
                                          static_cast<int>(count)};
  }
  launch_row_terms(step, compute_stream_);
  compute_stream_.synchronize();
  return cotangents;
}

std::unique_ptr<Backward> BackwardRing::make_program(int device, GpuShard shard, GpuCotangents cotangents) {
  std::array<GpuBlock, 2> results{allocate_results(), allocate_results()};
  if (kv_rotates()) {
    GpuGradients growing{gradient_of(*shard.Q), nullptr, nullptr};
    return std::make_unique<BackwardKv>(device, std::move(shard), std::move(cotangents), std::move(growing),
                                        std::move(results), config_, batched_launch_, sums_);
  }
  GpuGradients growing{nullptr, gradient_of(*shard.K), gradient_of(*shard.V)};
  return std::make_unique<BackwardQ>(device, std::move(shard), std::move(cotangents), std::move(growing),
                                     std::move(results), config_, batched_launch_, sums_);
}

std::shared_ptr<GpuTensor> BackwardRing::gradient_of(const GpuTensor& tensor) {
  return uninitialized(tensor.shape(), sizeof(float), compute_stream_);
}

// The gradients that follow the blocks, with room for the largest shard
GpuBlock BackwardRing::allocate_results() {
  const auto room_for = [&](Shape shape, Index rows) {
    shape.S = rows;
    return uninitialized(shape, sizeof(float), compute_stream_);
  };
  if (!kv_rotates()) return {-1, nullptr, {room_for(config_.q, config_.q_rows)}};
  return {-1, nullptr, {room_for(config_.k, config_.kv_rows), room_for(config_.v, config_.kv_rows)}};
}

}  // namespace ringattn::gpu
