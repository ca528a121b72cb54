#include "gpu/ring/backward.h"

namespace ringattn::gpu {

GpuCotangents::GpuCotangents(const RingConfig& config, const GpuShard& shard, const MakeTensor& make,
                             Stream& stream)
    : dO(make("dO", shard.rows, *shard.q_positions, config.q_rows)),
      lse(make("lse", shard.rows, *shard.q_positions, config.q_rows)),
      row_term(uninitialized({config.q.B, config.q_rows, config.q.H, 1}, sizeof(float), stream)) {
  row_term->set_shape(lse->shape());
}

namespace {

void set_cotangents(DeviceBackward& s, const GpuTensor& dO, const GpuTensor& lse, const GpuTensor& row_term) {
  s.dO = dO.data(), s.lse = lse.as<float>(), s.row_term = row_term.as<float>();
}

void set_gradients(DeviceBackward& s, GpuTensor& dQ, GpuTensor& dK, GpuTensor& dV) {
  s.dQ = dQ.as<float>(), s.dK = dK.as<float>(), s.dV = dV.as<float>();
}

}  // namespace

// ---- Both --------------------------------------------------------------------

Backward::Backward(int device, GpuShard shard, GpuCotangents cotangents, GpuGradients growing,
                   std::array<GpuBlock, 2> results, const GpuRingConfig& config,
                   BatchedLaunch<BackwardStep>& batched_launch, BatchedAccumulate<SumStep>& sums)
    : BatchedProgram(device, std::move(shard), config, batched_launch),
      cotangents_(std::move(cotangents)),
      gradients_(std::move(growing)),
      results_(std::move(results)),
      sums_(sums) {}

GpuBlock Backward::result_for(const Block<OnGpu>& resident, int step) const {
  GpuBlock result = results_[static_cast<std::size_t>(step % 2)];
  result.owner = resident.owner;
  set_rows(result, resident[0].shape().S);
  return result;
}

void Backward::attend_all(int step, const DeviceBackward& pair) {
  if (BatchedProgram::attend_all(step, pair)) sums_.wait_for_compute();
}

void Backward::accumulate(int step, Block<OnGpu>& result, Block<OnGpu> arrived) {
  DeviceSum sum;
  for (std::size_t i = 0; i < result.tensors.size(); ++i) {
    sum.sum[i] = result.tensors[i]->as<float>();
    sum.before[i] = arrived[i].as<float>();
    sum.elements[i] = result[i].shape().size();
  }
  sums_.add(step, sum);
}

// ---- K and V rotate ----------------------------------------------------------

BlockWork BackwardKv::work_with(const Block<OnGpu>& resident) const {
  return work_between(*shard_.q_host_positions, *resident.positions);
}

Block<OnGpu> BackwardKv::attend(int step, const Block<OnGpu>& resident) {
  GpuBlock result = result_for(resident, step);
  DeviceBackward pair;
  set_queries(pair, *shard_.Q, *shard_.q_positions);
  set_keys(pair, resident[0], resident[1], resident[2]);
  set_cotangents(pair, *cotangents_.dO, *cotangents_.lse, *cotangents_.row_term);
  set_gradients(pair, *gradients_.dQ, *result.tensors[0], *result.tensors[1]);
  attend_all(step, pair);
  return result;
}

void BackwardKv::accept_results(Block<OnGpu> result) {
  gradients_.dK = result.tensors[0];
  gradients_.dV = result.tensors[1];
}

// The block of keys and values that the device holds first is its own
PassDescription BackwardKv::description() const {
  return with_buffers({"backward",
                       "K V",
                       "dK dV",
                       {{"Q", shard_.query_bytes()},
                        {"dO", cotangents_.dO->bytes()},
                        {"dQ", gradients_.dQ->bytes()},
                        {"lse", cotangents_.lse->bytes()},
                        {"row_term", cotangents_.row_term->bytes()},
                        {"dK dV", config_.result_bytes}}});
}

// ---- Q rotates ---------------------------------------------------------------

GpuBlock BackwardQ::queries() const {
  GpuBlock block = shard_.queries(device_);
  for (const auto& tensor : {cotangents_.dO, cotangents_.lse, cotangents_.row_term})
    block.tensors.push_back(tensor);
  return block;
}

BlockWork BackwardQ::work_with(const Block<OnGpu>& resident) const {
  return work_between(*resident.positions, *shard_.kv_host_positions);
}

Block<OnGpu> BackwardQ::attend(int step, const Block<OnGpu>& resident) {
  GpuBlock result = result_for(resident, step);
  DeviceBackward pair;
  set_queries(pair, resident[0], resident[1]);
  set_keys(pair, *shard_.K, *shard_.V, *shard_.kv_positions);
  set_cotangents(pair, resident[2], resident[3], resident[4]);
  set_gradients(pair, *result.tensors[0], *gradients_.dK, *gradients_.dV);
  attend_all(step, pair);
  return result;
}

void BackwardQ::accept_results(Block<OnGpu> result) { gradients_.dQ = result.tensors[0]; }

PassDescription BackwardQ::description() const {
  return with_buffers({"backward",
                       "Q dO lse row_term",
                       "dQ",
                       {{"K", shard_.K->bytes()},
                        {"V", shard_.V->bytes() + shard_.kv_positions->bytes()},
                        {"dK", gradients_.dK->bytes()},
                        {"dV", gradients_.dV->bytes()},
                        {"dQ", config_.result_bytes}}});
}

}  // namespace ringattn::gpu
