#pragma once

#include <functional>

#include "gpu/ring/transfer.h"
#include "reference/ring/agreement.h"

namespace ringattn::gpu {

// Makes the rows _rows_ of Q, K or V, whose positions are on the GPU, with room for _room_ rows.
using MakeTensor = std::function<std::shared_ptr<GpuTensor>(char name, const std::vector<Index>& rows,
                                                            const GpuTensor& positions, Index room)>;

// Those of a problem that the host has; what it looks at must live until they are made
MakeTensor tensors_of(const Problem<float>& problem, Dtype dtype, Stream& stream);

// What one device has on the GPU. Tensors that may travel have room for those of any device.
struct GpuShard {
  std::vector<Index> rows;  // of the queries, in the global sequence
  std::shared_ptr<const Tokens> q_tokens, kv_tokens;
  std::shared_ptr<GpuTensor> Q, K, V, q_positions, kv_positions;
  std::shared_ptr<GpuTensor> out, lse;

  // Of the tokens of all queries and all keys
  GpuShard(const Agreement& agreement, const Tokens& queries, const Tokens& keys, Dtype dtype, int device,
           const MakeTensor& make, Stream& stream);

  Index query_bytes() const { return Q->bytes() + q_positions->bytes(); }
  Index kv_bytes() const { return K->bytes() + V->bytes() + kv_positions->bytes(); }
};

// The state of the softmax of some queries, (m, l, O). It may travel.
struct GpuState {
  std::shared_ptr<GpuTensor> m, l, O;

  // Unwritten, with room for _rows_ queries
  GpuState(const Agreement& agreement, Index rows, Stream& stream);

  void take_rows(Index rows);
  GpuBlock block(int owner) const { return {owner, nullptr, {m, l, O}}; }
  Index bytes() const { return m->bytes() + l->bytes() + O->bytes(); }
};

}  // namespace ringattn::gpu
