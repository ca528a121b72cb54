#pragma once

#include "gpu/kernels/boxed_tile.cuh"
#include "gpu/kernels/visible.cuh"

namespace ringattn::gpu {

// Places in shared memory that one thread fills and the warps of others empty, over and over.
template <int stages>
struct Pipeline {
  Barrier filled[stages], emptied[stages];

  // By one thread; _warps_ empty it
  __device__ void make(int warps) {
    for (Barrier& barrier : filled) barrier.make(1);
    for (Barrier& barrier : emptied) barrier.make(warps);
  }
};

// Where a thread is in a pipeline: the stage, and the parity of the phase that goes on there.
template <int stages>
struct Place {
  int stage = 0, parity = 0;

  __device__ void advance() {
    stage = stage + 1 == stages ? 0 : stage + 1;
    parity ^= stage == 0;
  }
  __device__ void wait_until_filled(Pipeline<stages>& pipeline) const { pipeline.filled[stage].wait(parity); }
  __device__ void wait_until_emptied(Pipeline<stages>& pipeline) const {
    pipeline.emptied[stage].wait(parity ^ 1);
  }
  // By all lanes of a warp: they have done with the stage, and go on to the next
  __device__ void leave(Pipeline<stages>& pipeline) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) pipeline.emptied[stage].arrive();
    advance();
  }
};

// The tile of a block of threads in shared memory: queries, and keys and values that come and go.
template <class T, int query_rows_, int key_rows_, int d_, int stages_>
struct TileStore {
  static constexpr int query_rows = query_rows_, key_rows = key_rows_, d = d_, stages = stages_;
  using Element = T;

  BoxedTile<T, query_rows, d> Q;
  BoxedTile<T, key_rows, d> K[stages], V[stages];
  Pipeline<1> Q_flow;
  Pipeline<stages> K_flow, V_flow;

  // By one thread, before all threads of the block wait for one another
  __device__ void make(int warps) {
    Q_flow.make(warps), K_flow.make(warps), V_flow.make(warps);
    publish_barriers();
  }
};

// Where the thread that fetches is, or one that consumes.
template <int stages>
struct Places {
  Place<1> Q;
  Place<stages> K, V;
};

// Queries of one head of one device, and the keys that they see.
struct QueryTile {
  int device, head;  // the head counts over the sequences of the batch
  int first, last;   // rows
  VisibleRows keys;
};

// Tile _n_ of _query_rows_ queries; false where the device has fewer. All lanes of a warp ask the same
template <class T>
__device__ bool find_tile(QueryTile& tile, const AttentionStep& step, int device, int head, int n,
                          int query_rows, int key_rows) {
  const HeadStep<T> at = head_step<T>(step, device, head);
  tile = {device, head, n * query_rows, min((n + 1) * query_rows, at.q_rows) - 1, {}};
  if (tile.first > tile.last) return false;
  tile.keys = visible_keys(step.reach, at, tile.first, tile.last, key_rows);
  return true;
}

// By the thread that fetches: all that the others will need for a tile of queries, as soon as there is room
template <class Store>
__device__ void fetch(Store& store, Places<Store::stages>& places, const MappedStep& mapped,
                      const QueryTile& tile) {
  const int device = tile.device, head = kv_head(mapped.step, tile.head);
  places.Q.wait_until_emptied(store.Q_flow);
  store.Q_flow.filled[0].arrive_and_expect(sizeof(store.Q));
  store.Q.send_for(mapped.Q[device], tile.first, tile.head, store.Q_flow.filled[0]);
  places.Q.advance();

  for (int base = tile.keys.any.begin; base < tile.keys.any.end; base += Store::key_rows) {
    const auto send_for = [&](auto& tiles, auto& flow, auto& place, const TensorMap& map) {
      place.wait_until_emptied(flow);
      Barrier& filled = flow.filled[place.stage];
      filled.arrive_and_expect(sizeof(tiles[0]));
      tiles[place.stage].send_for(map, base, head, filled);
      place.advance();
    };
    send_for(store.K, store.K_flow, places.K, mapped.K[device]);
    send_for(store.V, store.V_flow, places.V, mapped.V[device]);
  }
}

}  // namespace ringattn::gpu
