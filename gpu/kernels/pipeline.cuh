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
  __device__ Place next() const {
    Place place = *this;
    place.advance();
    return place;
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

// Queries of one head of one device, and the keys that they see.
struct QueryTile {
  int device = 0, head = 0;  // the head counts over the sequences of the batch
  int first = 0, last = -1;  // rows
  VisibleRows keys{};

  __device__ bool empty() const { return first > last; }

  template <class T>
  __device__ HeadStep<T> head_of(const AttentionStep& step) const {
    return head_step<T>(step, device, head);
  }
};

// Tile _n_ of _query_rows_ queries; empty where the device has fewer. All lanes of a warp ask the same
template <class T>
__device__ QueryTile find_tile(const AttentionStep& step, int device, int head, int n, int query_rows,
                               int key_rows) {
  const HeadStep<T> at = head_step<T>(step, device, head);
  QueryTile tile{device, head, n * query_rows, min((n + 1) * query_rows, at.q_rows) - 1, {}};
  if (!tile.empty()) tile.keys = visible_keys(step.reach, at, tile.first, tile.last, key_rows);
  return tile;
}

// What a block of threads has in shared memory: tiles of queries, and keys and values that come and go.
template <class T, int query_rows_, int key_rows_, int d_, int query_stages_ = 1>
struct TileStore {
  static constexpr int query_rows = query_rows_, key_rows = key_rows_, d = d_;
  static constexpr int query_stages = query_stages_, stages = 2;
  using Element = T;

  BoxedTile<T, query_rows, d> Q[query_stages];
  BoxedTile<T, key_rows, d> K[stages], V[stages];
  QueryTile tile[query_stages];  // what Q is
  Pipeline<query_stages> Q_flow;
  Pipeline<stages> K_flow, V_flow;

  // By one thread, before all threads of the block wait for one another
  __device__ void make(int warps) {
    Q_flow.make(warps), K_flow.make(warps), V_flow.make(warps);
    publish_barriers();
  }
};

// Where the thread that fetches is, or one that consumes.
template <class Store>
struct Places {
  Place<Store::query_stages> Q;
  Place<Store::stages> K, V;
};

// ---- By the thread that fetches -------------------------------------------------------------

// All that the others will need for a tile of queries, as soon as there is room; with an empty one, that none
// follows
template <class Store>
__device__ void fetch(Store& store, Places<Store>& places, const MappedStep& mapped, const QueryTile& tile) {
  places.Q.wait_until_emptied(store.Q_flow);
  const int stage = places.Q.stage;
  Barrier& Q_filled = store.Q_flow.filled[stage];
  store.tile[stage] = tile;
  if (tile.empty()) return Q_filled.arrive();
  Q_filled.arrive_and_expect(sizeof(store.Q[0]));
  store.Q[stage].send_for(mapped.Q[tile.device], tile.first, tile.head, Q_filled);
  places.Q.advance();

  const int device = tile.device, head = kv_head(mapped.step, tile.head);
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

// By a warp: the tile of queries of this block of threads, of the grid of query_grid
template <class Store>
__device__ void fetch_tile_of_block(Store& store, const MappedStep& mapped) {
  Places<Store> places;
  const QueryTile tile = find_tile<typename Store::Element>(mapped.step, blockIdx.z, blockIdx.y, blockIdx.x,
                                                            Store::query_rows, Store::key_rows);
  if (threadIdx.x % 32 == 0) fetch(store, places, mapped, tile);
}

// ---- By those that consume ------------------------------------------------------------------

// The tile that comes next, when its queries are there; an empty one where none follows. It stays in shared
// memory until the queries are left, and takes no registers from those who multiply
template <class Store>
__device__ const QueryTile& next_tile(Store& store, const Places<Store>& places) {
  places.Q.wait_until_filled(store.Q_flow);
  return store.tile[places.Q.stage];
}

}  // namespace ringattn::gpu
