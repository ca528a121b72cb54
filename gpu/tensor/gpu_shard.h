#pragma once

#include <functional>
#include <string_view>

#include "gpu/tensor/host_copy.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/ring_config.h"

namespace ringattn::gpu {

// Makes the rows _rows_ of a tensor, whose positions are on the GPU, with room for _room_ rows: of Q, K or V,
// and for the backward of dO, out, lse or dlse, of which the last may be null. They are written when it
// returns.
using MakeTensor = std::function<std::shared_ptr<GpuTensor>(
    std::string_view name, const std::vector<Index>& rows, const GpuTensor& positions, Index room)>;

// Those of a problem that the host has; what they look at must live until they are made
MakeTensor tensors_of(const Problem<float>& problem, Dtype dtype, Stream& stream);
MakeTensor tensors_of(const Problem<float>& problem, const AttentionOutput<float>& forward,
                      const Cotangents<float>& cotangents, Dtype dtype, Stream& stream);

// What one device has on the GPU. Tensors that may travel have room for those of any device.
struct GpuShard {
  std::vector<Index> rows, kv_rows;  // of the queries, and of the keys and values, in the global sequence
  std::shared_ptr<const RowPositions> q_host_positions, kv_host_positions;
  std::shared_ptr<GpuTensor> Q, K, V, q_positions, kv_positions;

  // Of the tokens of all queries and all keys
  GpuShard(const RingConfig& config, const RowPositions& queries, const RowPositions& keys, int device,
           const MakeTensor& make, Stream& stream);

  // What travels; its memory goes round with it
  GpuBlock queries(int owner) const { return {owner, q_host_positions, {Q, q_positions}}; }
  GpuBlock keys(int owner) const { return {owner, kv_host_positions, {K, V, kv_positions}}; }

  Index query_bytes() const { return Q->bytes() + q_positions->bytes(); }
  Index kv_bytes() const { return K->bytes() + V->bytes() + kv_positions->bytes(); }
};

// What the forward finds out for the queries of one device.
struct GpuResults {
  std::shared_ptr<GpuTensor> out, lse;

  GpuResults(const RingConfig& config, Index rows, Dtype dtype, Stream& stream);

  Index bytes() const { return out->bytes() + lse->bytes(); }
};

// The state of the softmax of some queries, (m, l, O). It may travel.
struct GpuState {
  std::shared_ptr<GpuTensor> m, l, O;

  // Unwritten, with room for _rows_ queries
  GpuState(const RingConfig& config, Index rows, Stream& stream);

  GpuBlock block(int owner) const { return {owner, nullptr, {m, l, O}}; }
  Index bytes() const { return m->bytes() + l->bytes() + O->bytes(); }
};

}  // namespace ringattn::gpu
