#pragma once

#include <functional>
#include <string_view>

#include "gpu/tensor/host_copy.h"
#include "reference/definition/attention_vjp.h"
#include "reference/ring/programs/ring_config.h"

namespace ringattn::gpu {

// Makes the rows _rows_ of a tensor, with room for _room_ rows: Q, K or V, and for the backward pass dO, out, lse or
// dlse (which may be null). _positions_ are those of the rows, on the GPU. The tensor is complete on return.
using MakeTensor = std::function<std::shared_ptr<GpuTensor>(
    std::string_view name, const std::vector<Index>& rows, const GpuTensor& positions, Index room)>;

// Tensors of a problem in host memory, which must outlive the function that is returned
MakeTensor tensors_of(const Problem<float>& problem, Dtype dtype, Stream& stream);
MakeTensor tensors_of(const Problem<float>& problem, const AttentionOutput<float>& forward,
                      const Cotangents<float>& cotangents, Dtype dtype, Stream& stream);

// The rows of one device, in device memory. Tensors have room for the largest shard, because they may travel.
struct GpuShard {
  std::vector<Index> rows, kv_rows;  // of the queries, and of the keys and values, in the global sequence
  std::shared_ptr<const RowPositions> q_host_positions, kv_host_positions;
  std::shared_ptr<GpuTensor> Q, K, V, q_positions, kv_positions;

  // _queries_, _keys_: positions of all queries and all keys
  GpuShard(const RingConfig& config, const RowPositions& queries, const RowPositions& keys, int device,
           const MakeTensor& make, Stream& stream);

  // The blocks that travel, together with their memory
  GpuBlock queries(int owner) const { return {owner, q_host_positions, {Q, q_positions}}; }
  GpuBlock keys(int owner) const { return {owner, kv_host_positions, {K, V, kv_positions}}; }

  Index query_bytes() const { return Q->bytes() + q_positions->bytes(); }
  Index kv_bytes() const { return K->bytes() + V->bytes() + kv_positions->bytes(); }
};

// The results of the forward pass for the queries of one device.
struct GpuResults {
  std::shared_ptr<GpuTensor> out, lse;

  GpuResults(const RingConfig& config, Index rows, Dtype dtype, Stream& stream);

  Index bytes() const { return out->bytes() + lse->bytes(); }
};

// The softmax state (m, l, O) of a block of queries. It travels if Q does.
struct GpuState {
  std::shared_ptr<GpuTensor> m, l, O;

  // Uninitialized, with room for _rows_ queries
  GpuState(const RingConfig& config, Index rows, Stream& stream);

  GpuBlock block(int owner) const { return {owner, nullptr, {m, l, O}}; }
  Index bytes() const { return m->bytes() + l->bytes() + O->bytes(); }
};

}  // namespace ringattn::gpu
