#pragma once

#include "gpu/tiles/tma_tile.cuh"
#include "gpu/tiles/visibility.cuh"

namespace ringattn::gpu {

// PipelineStates in shared memory that one thread fills and the warps of others empty, over and over.
template <int stages>
struct Pipeline {
  MBarrier full[stages], empty[stages];

  // By one thread; _warps_ empty it
  __device__ void init(int warps) {
    for (MBarrier& barrier : full) barrier.init(1);
    for (MBarrier& barrier : empty) barrier.init(warps);
  }
};

// Where a thread is in a pipeline: the stage, and the parity of the phase that goes on there.
template <int stages>
struct PipelineState {
  int stage = 0, parity = 0;

  __device__ void advance() {
    stage = stage + 1 == stages ? 0 : stage + 1;
    parity ^= stage == 0;
  }
  __device__ PipelineState next() const {
    PipelineState state = *this;
    state.advance();
    return state;
  }
  __device__ void wait_full(Pipeline<stages>& pipeline) const { pipeline.full[stage].wait(parity); }
  __device__ void wait_empty(Pipeline<stages>& pipeline) const {
    pipeline.empty[stage].wait(parity ^ 1);
  }
  // By all lanes of a warp: they have done with the stage, and go on to the next
  __device__ void release(Pipeline<stages>& pipeline) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) pipeline.empty[stage].arrive();
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
  __device__ HeadView<T> head_of(const AttentionStep& step) const {
    return head_view<T>(step, device, head);
  }
};

// Tile _n_ of _query_rows_ queries; empty where the device has fewer. All lanes of a warp ask the same
template <class T>
__device__ QueryTile find_tile(const AttentionStep& step, int device, int head, int n, int query_rows,
                               int key_rows) {
  const HeadView<T> at = head_view<T>(step, device, head);
  QueryTile tile{device, head, n * query_rows, min((n + 1) * query_rows, at.q_rows) - 1, {}};
  if (!tile.empty()) tile.keys = visible_keys(step.window, at, tile.first, tile.last, key_rows);
  return tile;
}

// What a block of threads has in shared memory: tiles of queries, and keys and values that come and go.
template <class T, int query_rows_, int key_rows_, int d_, int query_stages_ = 1>
struct SharedTiles {
  static constexpr int query_rows = query_rows_, key_rows = key_rows_, d = d_;
  static constexpr int query_stages = query_stages_, stages = 2;
  using Element = T;

  TmaTile<T, query_rows, d> Q[query_stages];
  TmaTile<T, key_rows, d> K[stages], V[stages];
  QueryTile tile[query_stages];  // what Q is
  Pipeline<query_stages> Q_pipeline;
  Pipeline<stages> K_pipeline, V_pipeline;

  // By one thread, before all threads of the block wait for one another
  __device__ void init(int warps) {
    Q_pipeline.init(warps), K_pipeline.init(warps), V_pipeline.init(warps);
    fence_barrier_init();
  }
};

// Where the thread that fetches is, or one that consumes.
template <class Shared>
struct PipelineStates {
  PipelineState<Shared::query_stages> Q;
  PipelineState<Shared::stages> K, V;
};

// ---- By the thread that fetches -------------------------------------------------------------

// All that the others will need for a tile of queries, as soon as there is room; with an empty one, that none
// follows
template <class Shared>
__device__ void produce(Shared& shared, PipelineStates<Shared>& states, const MappedStep& mapped, const QueryTile& tile) {
  states.Q.wait_empty(shared.Q_pipeline);
  const int stage = states.Q.stage;
  MBarrier& Q_full = shared.Q_pipeline.full[stage];
  shared.tile[stage] = tile;
  if (tile.empty()) return Q_full.arrive();
  Q_full.arrive_and_expect_tx(sizeof(shared.Q[0]));
  shared.Q[stage].load_async(mapped.Q[tile.device], tile.first, tile.head, Q_full);
  states.Q.advance();

  const int device = tile.device, head = kv_head(mapped.step, tile.head);
  for (int base = tile.keys.any.begin; base < tile.keys.any.end; base += Shared::key_rows) {
    const auto load_async = [&](auto& tiles, auto& pipeline, auto& state, const TensorMap& map) {
      state.wait_empty(pipeline);
      MBarrier& full = pipeline.full[state.stage];
      full.arrive_and_expect_tx(sizeof(tiles[0]));
      tiles[state.stage].load_async(map, base, head, full);
      state.advance();
    };
    load_async(shared.K, shared.K_pipeline, states.K, mapped.K[device]);
    load_async(shared.V, shared.V_pipeline, states.V, mapped.V[device]);
  }
}

// By a warp: the tile of queries of this block of threads, of the grid of query_grid
template <class Shared>
__device__ void produce_block_tile(Shared& shared, const MappedStep& mapped) {
  PipelineStates<Shared> states;
  const QueryTile tile = find_tile<typename Shared::Element>(mapped.step, blockIdx.z, blockIdx.y, blockIdx.x,
                                                            Shared::query_rows, Shared::key_rows);
  if (threadIdx.x % 32 == 0) produce(shared, states, mapped, tile);
}

// ---- By those that consume ------------------------------------------------------------------

// The tile that comes next, when its queries are there; an empty one where none follows. It stays in shared
// memory until the queries are left, and takes no registers from those who multiply
template <class Shared>
__device__ const QueryTile& next_tile(Shared& shared, const PipelineStates<Shared>& states) {
  states.Q.wait_full(shared.Q_pipeline);
  return shared.tile[states.Q.stage];
}

}  // namespace ringattn::gpu
