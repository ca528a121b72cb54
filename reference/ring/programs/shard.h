#pragma once

#include "reference/comm/block.h"
#include "reference/definition/attention_vjp.h"
#include "reference/definition/layout.h"

namespace ringattn {

// The rows of one device, selected from a tensor in global order; each head contiguous
template <class T>
std::shared_ptr<Tensor<T>> shard(const TensorView<const T>& global, const std::vector<Index>& rows) {
  return shared(select_rows(global, rows, Axes::bhsd));
}

// The queries of one device.
template <class T>
struct QueryShard {
  int device = 0;
  std::vector<Index> rows;  // positions in the sequence; may be empty
  std::shared_ptr<const RowPositions> positions;
  std::shared_ptr<Tensor<T>> Q;  // (B, rows, Hq, D)
};

// The keys and values of one device. They are sharded over their own length, so the number of rows may differ from that
// of the queries.
template <class T>
struct KvShard {
  int device = 0;
  std::vector<Index> rows;
  std::shared_ptr<const RowPositions> positions;
  std::shared_ptr<Tensor<T>> K, V;  // (B, rows, Hkv, D), (B, rows, Hkv, Dv)
};

// The tensors that the backward pass needs for the query rows of a device, besides Q.
template <class T>
struct CotangentShard {
  std::shared_ptr<Tensor<T>> dO;             // (B, rows, Hq, Dv)
  std::shared_ptr<Tensor<T>> lse, row_term;  // (B, rows, Hq, 1); row_term = dlse - delta
};

// The given rows of the problem, as those of one device
template <class T>
QueryShard<T> query_shard(const Problem<T>& problem, int device, const std::vector<Index>& rows) {
  return {device, rows, std::make_shared<RowPositions>(problem.q_positions.select(rows)),
          shard(problem.Q, rows)};
}
template <class T>
KvShard<T> kv_shard(const Problem<T>& problem, int device, const std::vector<Index>& rows) {
  return {device, rows, std::make_shared<RowPositions>(problem.kv_positions.select(rows)),
          shard(problem.K, rows), shard(problem.V, rows)};
}
template <class T>
CotangentShard<T> cotangent_shard(const AttentionOutput<T>& forward, const Cotangents<T>& cotangents,
                                  const Tensor<T>& row_terms, const std::vector<Index>& rows) {
  return {shard(cotangents.dout, rows), shard<T>(forward.lse, rows), shard<T>(row_terms, rows)};
}

// The rows that a layout assigns to one device
template <class T>
QueryShard<T> query_shard(const Problem<T>& problem, Layout layout, int device, int devices) {
  return query_shard(problem, device, rows_of_device(layout, device, devices, problem.Q.shape.S));
}
template <class T>
KvShard<T> kv_shard(const Problem<T>& problem, Layout layout, int device, int devices) {
  return kv_shard(problem, device, rows_of_device(layout, device, devices, problem.K.shape.S));
}

}  // namespace ringattn
