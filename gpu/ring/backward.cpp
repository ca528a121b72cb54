#include "gpu/ring/backward.h"

namespace ringattn::gpu {

GpuCotangents::GpuCotangents(const Agreement& agreement, const GpuShard& shard, const MakeTensor& make,
                             Stream& stream)
    : dO(make("dO", shard.rows, *shard.q_positions, agreement.q_rows)),
      lse(make("lse", shard.rows, *shard.q_positions, agreement.q_rows)),
      shift(unwritten({agreement.q.B, agreement.q_rows, agreement.q.H, 1}, sizeof(float), stream)) {
  shift->take_shape(lse->shape());
}

namespace {

void set_cotangents(DeviceBackward& s, const GpuTensor& dO, const GpuTensor& lse, const GpuTensor& shift) {
  s.dO = dO.data(), s.lse = lse.as<float>(), s.shift = shift.as<float>();
}

void set_gradients(DeviceBackward& s, GpuTensor& dQ, GpuTensor& dK, GpuTensor& dV) {
  s.dQ = dQ.as<float>(), s.dK = dK.as<float>(), s.dV = dV.as<float>();
}

}  // namespace

// ---- Both --------------------------------------------------------------------

Backward::Backward(int device, GpuShard shard, GpuCotangents cotangents, GpuGradients growing,
                   std::array<GpuBlock, 2> results, const Agreement& agreement, Wave<BackwardStep>& wave,
                   Joining<SumStep>& sums)
    : WorkInWaves(device, std::move(shard), agreement, wave),
      cotangents_(std::move(cotangents)),
      gradients_(std::move(growing)),
      results_(std::move(results)),
      sums_(sums) {}

GpuBlock Backward::result_for(const Block<OnGpu>& visitor, int step) const {
  GpuBlock result = results_[static_cast<std::size_t>(step % 2)];
  result.owner = visitor.owner;
  take_rows(result, visitor[0].shape().S);
  return result;
}

void Backward::attend_all(int step, int owner, const DeviceBackward& pair, const Tokens& queries,
                          const Tokens& keys, Recorder& facts) {
  if (WorkInWaves::attend_all(step, owner, pair, queries, keys, facts)) sums_.follow_wave();
}

void Backward::join(int step, Block<OnGpu>& result, Block<OnGpu> arrived, Recorder& facts) {
  DeviceSum sum;
  for (std::size_t i = 0; i < result.tensors.size(); ++i) {
    sum.sum[i] = result.tensors[i]->as<float>();
    sum.before[i] = arrived[i].as<float>();
    sum.elements[i] = result[i].shape().size();
  }
  sums_.add(step, sum);
  facts.joined(EventKind::grad_hop, step, result.owner);
}

// ---- K and V rotate ----------------------------------------------------------

Block<OnGpu> BackwardKv::attend(int step, const Block<OnGpu>& visitor, Recorder& facts) {
  GpuBlock result = result_for(visitor, step);
  DeviceBackward pair;
  set_queries(pair, *shard_.Q, *shard_.q_positions);
  set_keys(pair, visitor[0], visitor[1], visitor[2]);
  set_cotangents(pair, *cotangents_.dO, *cotangents_.lse, *cotangents_.shift);
  set_gradients(pair, *gradients_.dQ, *result.tensors[0], *result.tensors[1]);
  attend_all(step, visitor.owner, pair, *shard_.q_tokens, *visitor.tokens, facts);
  return result;
}

void BackwardKv::take_home(Block<OnGpu> result) {
  gradients_.dK = result.tensors[0];
  gradients_.dV = result.tensors[1];
}

// The block of keys and values that the device holds first is its own
Holdings BackwardKv::holdings() const {
  Holdings holdings{{"Q", shard_.query_bytes()},           {"dO", cotangents_.dO->bytes()},
                    {"dQ", gradients_.dQ->bytes()},        {"lse", cotangents_.lse->bytes()},
                    {"delta", cotangents_.shift->bytes()}, {"dK dV", agreement_.result_bytes}};
  add_slots<OnGpu>(holdings, agreement_, *this);
  return holdings;
}

// ---- Q rotates ---------------------------------------------------------------

GpuBlock BackwardQ::queries() const {
  GpuBlock block = shard_.queries(device_);
  for (const auto& tensor : {cotangents_.dO, cotangents_.lse, cotangents_.shift})
    block.tensors.push_back(tensor);
  return block;
}

Block<OnGpu> BackwardQ::attend(int step, const Block<OnGpu>& visitor, Recorder& facts) {
  GpuBlock result = result_for(visitor, step);
  DeviceBackward pair;
  set_queries(pair, visitor[0], visitor[1]);
  set_keys(pair, *shard_.K, *shard_.V, *shard_.kv_positions);
  set_cotangents(pair, visitor[2], visitor[3], visitor[4]);
  set_gradients(pair, *result.tensors[0], *gradients_.dK, *gradients_.dV);
  attend_all(step, visitor.owner, pair, *visitor.tokens, *shard_.kv_tokens, facts);
  return result;
}

void BackwardQ::take_home(Block<OnGpu> result) { gradients_.dQ = result.tensors[0]; }

Holdings BackwardQ::holdings() const {
  Holdings holdings{{"K", shard_.K->bytes()},
                    {"V", shard_.V->bytes() + shard_.kv_positions->bytes()},
                    {"dK", gradients_.dK->bytes()},
                    {"dV", gradients_.dV->bytes()},
                    {"dQ", agreement_.result_bytes}};
  add_slots<OnGpu>(holdings, agreement_, *this);
  return holdings;
}

}  // namespace ringattn::gpu
