#include "gpu/ring/gpu_shard.h"

namespace ringattn::gpu {

GpuShard::GpuShard(const Problem<float>& problem, Dtype dtype, const Agreement& agreement, int device,
                   Stream& stream) {
  const QueryShard<float> queries(problem, agreement.layout, device, agreement.devices);
  const KvShard<float> kv(problem, agreement.layout, device, agreement.devices);
  const Index rows_here = queries.Q->shape().S;
  rows = queries.rows;
  q_tokens = queries.tokens, kv_tokens = kv.tokens;
  Q = to_gpu(*queries.Q, agreement.q_rows, dtype, stream);
  K = to_gpu(*kv.K, agreement.kv_rows, dtype, stream);
  V = to_gpu(*kv.V, agreement.kv_rows, dtype, stream);
  q_positions = positions_to_gpu(*queries.tokens, agreement.q_rows, stream);
  kv_positions = positions_to_gpu(*kv.tokens, agreement.kv_rows, stream);
  out = unwritten(agreement.out_of(rows_here), bytes_per_element(dtype), stream);
  lse = unwritten({agreement.q.B, rows_here, agreement.q.H, 1}, sizeof(float), stream);
}

GpuState::GpuState(const Agreement& agreement, Index rows, Stream& stream) {
  const Shape row{agreement.q.B, rows, agreement.q.H, 1};
  m = unwritten(row, sizeof(float), stream);
  l = unwritten(row, sizeof(float), stream);
  O = unwritten(agreement.out_of(rows), sizeof(float), stream);
}

void GpuState::take_rows(Index rows) {
  for (GpuTensor* tensor : {m.get(), l.get(), O.get()}) {
    Shape shape = tensor->shape();
    shape.S = rows;
    tensor->take_shape(shape);
  }
}

}  // namespace ringattn::gpu
