#include "gpu/ring/backward_ring.h"

#include "gpu/backward/shift.h"

namespace ringattn::gpu {

namespace {

// What stays on a device grows from wave to wave; what follows a visitor is new in each
Wave<BackwardStep>::Launch wave_by(const BackwardRung& rung, bool kv_rotates) {
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

BackwardRing::BackwardRing(const Agreement& agreement, const Tokens& queries, const Tokens& keys, Dtype dtype,
                           const GpuOptions& options, int at_most_rung, bool deterministic,
                           const MakeTensor& make, Tracing* tracing)
    : GpuRing(agreement, dtype, options, tracing),
      wave_(common(), wave_by(highest_rung(common(), at_most_rung, deterministic), kv_rotates()), compute_,
            clock()),
      sums_(sums_of(options.here().count()), launch_sum, compute_, joins_, clock()) {
  const auto [begin, end] = options.here();
  std::vector<GpuShard> shards;
  for (int d = begin; d < end; ++d) shards.emplace_back(agreement_, queries, keys, d, make, compute_);
  std::vector<GpuCotangents> cotangents = make_cotangents(shards, make);
  for (int d = begin; d < end; ++d) {
    const auto i = static_cast<std::size_t>(d - begin);
    works_.push_back(make_work(d, std::move(shards[i]), std::move(cotangents[i])));
  }
  link(works_[0]->home(), room_for_results());
}

BackwardStep BackwardRing::common() const {
  return common_step<BackwardStep>(agreement_, dtype_, options_.here().count());
}

// out and dlse are needed for the shifts alone
std::vector<GpuCotangents> BackwardRing::make_cotangents(const std::vector<GpuShard>& shards,
                                                         const MakeTensor& make) {
  const BackwardStep of = common();
  ShiftStep step{of.element, of.B, of.H, of.dv, of.devices, {}};
  std::vector<GpuCotangents> cotangents;
  std::vector<std::shared_ptr<GpuTensor>> kept;
  for (const GpuShard& shard : shards) {
    const GpuCotangents& rows = cotangents.emplace_back(agreement_, shard, make, compute_);
    const auto count = static_cast<Index>(shard.rows.size());
    const auto out = kept.emplace_back(make("out", shard.rows, *shard.q_positions, count));
    const auto dlse = kept.emplace_back(make("dlse", shard.rows, *shard.q_positions, count));
    step.device[cotangents.size() - 1] = {rows.dO->data(),         out->data(),
                                          rows.lse->as<float>(),   dlse ? dlse->as<float>() : nullptr,
                                          rows.shift->as<float>(), static_cast<int>(count)};
  }
  launch_shift(step, compute_);
  compute_.finish();
  return cotangents;
}

std::unique_ptr<Backward> BackwardRing::make_work(int device, GpuShard shard, GpuCotangents cotangents) {
  std::array<GpuBlock, 2> results{room_for_results(), room_for_results()};
  if (kv_rotates()) {
    GpuGradients growing{gradient_of(*shard.Q), nullptr, nullptr};
    return std::make_unique<BackwardKv>(device, std::move(shard), std::move(cotangents), std::move(growing),
                                        std::move(results), agreement_, wave_, sums_);
  }
  GpuGradients growing{nullptr, gradient_of(*shard.K), gradient_of(*shard.V)};
  return std::make_unique<BackwardQ>(device, std::move(shard), std::move(cotangents), std::move(growing),
                                     std::move(results), agreement_, wave_, sums_);
}

std::shared_ptr<GpuTensor> BackwardRing::gradient_of(const GpuTensor& tensor) {
  return unwritten(tensor.shape(), sizeof(float), compute_);
}

// What travels behind, for the largest shard
GpuBlock BackwardRing::room_for_results() {
  const auto room_for = [&](Shape shape, Index rows) {
    shape.S = rows;
    return unwritten(shape, sizeof(float), compute_);
  };
  if (!kv_rotates()) return {-1, nullptr, {room_for(agreement_.q, agreement_.q_rows)}};
  return {
      -1, nullptr, {room_for(agreement_.k, agreement_.kv_rows), room_for(agreement_.v, agreement_.kv_rows)}};
}

}  // namespace ringattn::gpu
