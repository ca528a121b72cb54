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

// The configuration of tensors of these shapes on _devices_ devices, with the buffers that the schedule needs
inline RingConfig ring_config(const Shape& q, const Shape& k, const Shape& v, Layout layout, int devices,
                              const BufferCounts& buffers) {
  RingConfig config;
  config.layout = layout, config.devices = devices, config.buffers = buffers;
  config.q = q, config.k = k, config.v = v;
  config.q_rows = largest_shard(layout, devices, q.S), config.kv_rows = largest_shard(layout, devices, k.S);
  return config;
}

// That of _problem_
template <class T>
RingConfig ring_config(const Problem<T>& problem, Layout layout, int devices, const BufferCounts& buffers) {
  const auto position_bytes = [](const RowPositions& positions) {
    return positions.sequences() * Index{sizeof(RowPosition)};
  };
  RingConfig config =
      ring_config(problem.Q.shape, problem.K.shape, problem.V.shape, layout, devices, buffers);
  config.scoring = problem.scoring;
  config.q_position_bytes = position_bytes(problem.q_positions);
  config.kv_position_bytes = position_bytes(problem.kv_positions);
  return config;
}

}  // namespace ringattn
