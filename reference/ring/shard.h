#pragma once

#include "reference/comm/block.h"
#include "reference/definition/attention_vjp.h"
#include "reference/definition/layout.h"

namespace ringattn {

// One device's rows of a tensor in global order, each head in one piece
template <class T>
std::shared_ptr<Tensor<T>> shard(const TensorView<const T>& global, const std::vector<Index>& rows) {
  return shared(select_rows(global, rows, Axes::bhsd));
}

// The queries, and the keys and values, that a layout gives to one device; each sharded over its own length.
template <class T>
struct QueryShard {
  int device;
  std::vector<Index> rows;  // in the global sequence, ascending; may be empty
  std::shared_ptr<const RowPositions> positions;
  std::shared_ptr<Tensor<T>> Q;

  QueryShard(const Problem<T>& problem, Layout layout, int owner, int devices)
      : device(owner),
        rows(rows_of_device(layout, owner, devices, problem.Q.shape.S)),
        positions(std::make_shared<RowPositions>(problem.q_positions.select(rows))),
        Q(shard(problem.Q, rows)) {}
};

template <class T>
struct KvShard {
  int device;
  std::vector<Index> rows;
  std::shared_ptr<const RowPositions> positions;
  std::shared_ptr<Tensor<T>> K, V;

  KvShard(const Problem<T>& problem, Layout layout, int owner, int devices)
      : device(owner),
        rows(rows_of_device(layout, owner, devices, problem.K.shape.S)),
        positions(std::make_shared<RowPositions>(problem.kv_positions.select(rows))),
        K(shard(problem.K, rows)),
        V(shard(problem.V, rows)) {}
};

// What a device holds of the finished forward, for the backward.
template <class T>
struct CotangentShard {
  std::shared_ptr<Tensor<T>> dO, lse, row_term;

  CotangentShard(const AttentionOutput<T>& forward, const Cotangents<T>& cotangents, const Tensor<T>& all_row_terms,
                 const std::vector<Index>& rows)
      : dO(shard(cotangents.dout, rows)),
        lse(shard<T>(forward.lse, rows)),
        row_term(shard<T>(all_row_terms, rows)) {}
};

}  // namespace ringattn
