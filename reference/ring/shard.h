#pragma once

#include "reference/definition/attention_vjp.h"
#include "reference/definition/layout.h"
#include "reference/ring/block.h"

namespace ringattn {

// One device's rows of a tensor in global order, each head in one piece
template <class T>
std::shared_ptr<Tensor<T>> shard(const TensorView<const T>& global, const std::vector<Index>& rows) {
  return shared(select_rows(global, rows, Axes::bhsd));
}

// The queries, and the keys and values, that a layout gives to one device; each sharded over its own length.
template <class T>
struct QueryShard {
  std::vector<Index> rows;  // in the global sequence, ascending; may be empty
  std::shared_ptr<const RowPositions> positions;
  std::shared_ptr<Tensor<T>> Q;

  QueryShard(const Problem<T>& problem, Layout layout, int device, int devices)
      : rows(rows_of_device(layout, device, devices, problem.Q.shape.S)),
        positions(std::make_shared<RowPositions>(problem.q_positions.select(rows))),
        Q(shard(problem.Q, rows)) {}

  Index bytes() const { return Q->bytes() + positions->bytes(); }
};

template <class T>
struct KvShard {
  std::vector<Index> rows;
  std::shared_ptr<const RowPositions> positions;
  std::shared_ptr<Tensor<T>> K, V;

  KvShard(const Problem<T>& problem, Layout layout, int device, int devices)
      : rows(rows_of_device(layout, device, devices, problem.K.shape.S)),
        positions(std::make_shared<RowPositions>(problem.kv_positions.select(rows))),
        K(shard(problem.K, rows)),
        V(shard(problem.V, rows)) {}

  Index bytes() const { return K->bytes() + V->bytes() + positions->bytes(); }
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

  Index bytes() const { return dO->bytes() + lse->bytes() + row_term->bytes(); }
};

}  // namespace ringattn
