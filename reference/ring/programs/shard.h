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

// The queries that a layout assigns to one device.
template <class T>
struct QueryShard {
  int device;
  std::vector<Index> rows;  // positions in the sequence, ascending; may be empty
  std::shared_ptr<const RowPositions> positions;
  std::shared_ptr<Tensor<T>> Q;  // (B, rows, Hq, D)

  QueryShard(const Problem<T>& problem, Layout layout, int owner, int devices)
      : device(owner),
        rows(rows_of_device(layout, owner, devices, problem.Q.shape.S)),
        positions(std::make_shared<RowPositions>(problem.q_positions.select(rows))),
        Q(shard(problem.Q, rows)) {}
};

// The keys and values that a layout assigns to one device. They are sharded over their own length, so the number of
// rows may differ from that of the queries.
template <class T>
struct KvShard {
  int device;
  std::vector<Index> rows;
  std::shared_ptr<const RowPositions> positions;
  std::shared_ptr<Tensor<T>> K, V;  // (B, rows, Hkv, D), (B, rows, Hkv, Dv)

  KvShard(const Problem<T>& problem, Layout layout, int owner, int devices)
      : device(owner),
        rows(rows_of_device(layout, owner, devices, problem.K.shape.S)),
        positions(std::make_shared<RowPositions>(problem.kv_positions.select(rows))),
        K(shard(problem.K, rows)),
        V(shard(problem.V, rows)) {}
};

// The tensors that the backward pass needs for the query rows of a device, besides Q.
template <class T>
struct CotangentShard {
  std::shared_ptr<Tensor<T>> dO;             // (B, rows, Hq, Dv)
  std::shared_ptr<Tensor<T>> lse, row_term;  // (B, rows, Hq, 1); row_term = dlse - delta

  CotangentShard(const AttentionOutput<T>& forward, const Cotangents<T>& cotangents,
                 const Tensor<T>& all_row_terms, const std::vector<Index>& rows)
      : dO(shard(cotangents.dout, rows)),
        lse(shard<T>(forward.lse, rows)),
        row_term(shard<T>(all_row_terms, rows)) {}
};

}  // namespace ringattn
