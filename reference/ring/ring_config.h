#pragma once

#include "reference/definition/layout.h"
#include "reference/definition/problem.h"

namespace ringattn {

// What all devices of a ring must know alike: the problem as a whole, and how it is sharded.
struct RingConfig {
  Scoring scoring;
  Layout layout = Layout::contiguous;
  int devices = 1;
  Shape q, k, v;                                         // of the whole tensors
  Index q_rows = 0, kv_rows = 0;                         // of the largest shards
  Index q_position_bytes = 0, kv_position_bytes = 0;     // of one row; positions travel with their rows

  Shape out_of(Index queries) const { return {q.B, queries, q.H, v.D}; }
};

template <class T>
RingConfig ring_config(const Problem<T>& problem, Layout layout, int devices) {
  const auto position_bytes = [](const RowPositions& positions) {
    return positions.sequences() * Index{sizeof(RowPosition)};
  };
  return {.scoring = problem.scoring,
          .layout = layout,
          .devices = devices,
          .q = problem.Q.shape,
          .k = problem.K.shape,
          .v = problem.V.shape,
          .q_rows = largest_shard(layout, devices, problem.Q.shape.S),
          .kv_rows = largest_shard(layout, devices, problem.K.shape.S),
          .q_position_bytes = position_bytes(problem.q_positions),
          .kv_position_bytes = position_bytes(problem.kv_positions)};
}

}  // namespace ringattn
