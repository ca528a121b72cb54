#pragma once

#include "reference/definition/layout.h"
#include "reference/definition/problem.h"
#include "reference/ring/schedule.h"

namespace ringattn {

// The values on which all devices of a ring agree: the shapes of the whole problem, and how it is sharded.
struct RingConfig {
  Scoring scoring;
  Layout layout = Layout::contiguous;
  int devices = 1;
  BufferCounts buffers;
  Shape q, k, v;                                      // of the whole tensors, (B, S, H, D)
  Index q_rows = 0, kv_rows = 0;                      // of the largest shard
  Index q_position_bytes = 0, kv_position_bytes = 0;  // of one row, all sequences; positions travel

  // (B, queries, Hq, Dv): the output for a number of query rows
  Shape out_of(Index queries) const { return {q.B, queries, q.H, v.D}; }
};

// The configuration of _problem_ on _devices_ devices, with the buffers that the schedule needs
template <class T>
RingConfig ring_config(const Problem<T>& problem, Layout layout, int devices, const BufferCounts& buffers) {
  const auto position_bytes = [](const RowPositions& positions) {
    return positions.sequences() * Index{sizeof(RowPosition)};
  };
  return {.scoring = problem.scoring,
          .layout = layout,
          .devices = devices,
          .buffers = buffers,
          .q = problem.Q.shape,
          .k = problem.K.shape,
          .v = problem.V.shape,
          .q_rows = largest_shard(layout, devices, problem.Q.shape.S),
          .kv_rows = largest_shard(layout, devices, problem.K.shape.S),
          .q_position_bytes = position_bytes(problem.q_positions),
          .kv_position_bytes = position_bytes(problem.kv_positions)};
}

}  // namespace ringattn
