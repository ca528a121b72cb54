#include "gpu/ring/gpu_shard.h"

#include "reference/definition/layout.h"
#include "reference/ring/shard.h"

namespace ringattn::gpu {

MakeTensor tensors_of(const Problem<float>& problem, Dtype dtype, Stream& stream) {
  return [Q = problem.Q, K = problem.K, V = problem.V, dtype, &stream](
             char name, const std::vector<Index>& rows, const GpuTensor&, Index room) {
    return to_gpu(*shard(name == 'Q' ? Q : name == 'K' ? K : V, rows), room, dtype, stream);
  };
}

GpuShard::GpuShard(const Agreement& agreement, const Tokens& queries, const Tokens& keys, Dtype dtype,
                   int device, const MakeTensor& make, Stream& stream)
    : rows(rows_of_device(agreement.layout, device, agreement.devices, queries.length())) {
  const std::vector<Index> kv_rows =
      rows_of_device(agreement.layout, device, agreement.devices, keys.length());
  q_tokens = std::make_shared<Tokens>(queries.select(rows));
  kv_tokens = std::make_shared<Tokens>(keys.select(kv_rows));
  q_positions = positions_to_gpu(*q_tokens, agreement.q_rows, stream);
  kv_positions = positions_to_gpu(*kv_tokens, agreement.kv_rows, stream);
  Q = make('Q', rows, *q_positions, agreement.q_rows);
  K = make('K', kv_rows, *kv_positions, agreement.kv_rows);
  V = make('V', kv_rows, *kv_positions, agreement.kv_rows);
  const auto rows_here = static_cast<Index>(rows.size());
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
