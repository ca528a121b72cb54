#pragma once

#include "gpu/backward/backward_head_view.cuh"
#include "gpu/tiles/visibility.cuh"

namespace ringattn::gpu {

// The keys of a thread block, and the tiles of queries that attend to them: one tile an iteration, over all heads that
// use the keys.
template <int query_rows>
struct KeyTile {
  int device, kv_head;  // heads count over the sequences of the batch
  int first, last;      // rows
  VisibleRows queries;  // of each head
  int first_head;
  int tiles, iterations;  // of one head, of all

  __device__ int head(int iteration) const { return first_head + iteration / tiles; }
  __device__ int base(int iteration) const { return queries.any.begin + iteration % tiles * query_rows; }
};

// Returns false if the device has fewer keys. Called by all lanes of a warp
template <class T, int query_rows>
__device__ bool find_tile(KeyTile<query_rows>& tile, const BackwardStep& step, int key_rows) {
  const int device = blockIdx.z, kv_head = blockIdx.y, first_head = first_head_of(step, kv_head);
  const BackwardHeadView<T> at = backward_head_view<T>(step, device, first_head);
  const int first = blockIdx.x * key_rows, last = min(first + key_rows, at.kv_rows) - 1;
  if (first > last) return false;
  const VisibleRows queries = visible_rows(key_visibility(step.window, at), first, last, query_rows);
  const int tiles = (max(0, queries.any.end - queries.any.begin) + query_rows - 1) / query_rows;
  tile = {device, kv_head, first, last, queries, first_head, tiles, step.H / step.Hkv * tiles};
  return true;
}

}  // namespace ringattn::gpu
