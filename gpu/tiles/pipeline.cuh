#pragma once

#include "gpu/tiles/tma_tile.cuh"
#include "gpu/tiles/visibility.cuh"

namespace ringattn::gpu {

// A ring of stages in shared memory that one producer thread fills and consumer warps empty.
//
//   producer   wait empty[s] ─► copy into stage s ─► full[s] counts the bytes
//   consumer   wait full[s]  ─► read stage s      ─► arrive at empty[s]
template <int stages>
struct Pipeline {
  MBarrier full[stages], empty[stages];

  // Called by one thread; _warps_ consumer warps empty each stage
  __device__ void init(int warps) {
    for (MBarrier& barrier : full) barrier.init(1);
    for (MBarrier& barrier : empty) barrier.init(warps);
  }
};

// The position of a thread in a pipeline: the stage, and the parity of its current phase.
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
  __device__ void wait_empty(Pipeline<stages>& pipeline) const { pipeline.empty[stage].wait(parity ^ 1); }
  // Called by all lanes of a warp that has finished with the stage
  __device__ void release(Pipeline<stages>& pipeline) {
    __syncwarp();
    if (threadIdx.x % 32 == 0) pipeline.empty[stage].arrive();
    advance();
  }
};

// A tile of queries of one head of one device, and the keys that are visible to them.
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

// Tile _n_ of _query_rows_ queries; empty where the device has fewer. Called by all lanes of a warp
template <class T>
__device__ QueryTile find_tile(const AttentionStep& step, int device, int head, int n, int query_rows,
                               int key_rows) {
  const HeadView<T> at = head_view<T>(step, device, head);
  QueryTile tile{device, head, n * query_rows, min((n + 1) * query_rows, at.q_rows) - 1, {}};
  if (!tile.empty()) tile.keys = visible_keys(step.window, at, tile.first, tile.last, key_rows);
  return tile;
}

// The shared memory of a thread block: tiles of queries, and a pipeline each of keys and values.
template <class T, int query_rows_, int key_rows_, int d_, int query_stages_ = 1>
struct SharedTiles {
  static constexpr int query_rows = query_rows_, key_rows = key_rows_, d = d_;
  static constexpr int query_stages = query_stages_, stages = 2;
  using Element = T;

  TmaTile<T, query_rows, d> Q[query_stages];
  TmaTile<T, key_rows, d> K[stages], V[stages];
  QueryTile tile[query_stages];  // which queries Q holds
  Pipeline<query_stages> Q_pipeline;
  Pipeline<stages> K_pipeline, V_pipeline;

  // Called by one thread, before the __syncthreads of the block
  __device__ void init(int warps) {
    Q_pipeline.init(warps), K_pipeline.init(warps), V_pipeline.init(warps);
    fence_barrier_init();
  }
};

// The positions of the producer or of a consumer in all pipelines.
template <class Shared>
struct PipelineStates {
  PipelineState<Shared::query_stages> Q;
  PipelineState<Shared::stages> K, V;
};

// ---- Producer -------------------------------------------------------------

// Loads a tile of queries and all its keys and values, each as soon as a stage is empty. An empty tile tells the
// consumers to stop
template <class Shared>
__device__ void produce(Shared& shared, PipelineStates<Shared>& states, const MappedStep& mapped,
                        const QueryTile& tile) {
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

// Called by a warp: loads the tile of this thread block in a query_grid
template <class Shared>
__device__ void produce_block_tile(Shared& shared, const MappedStep& mapped) {
  PipelineStates<Shared> states;
  const QueryTile tile = find_tile<typename Shared::Element>(mapped.step, blockIdx.z, blockIdx.y, blockIdx.x,
                                                             Shared::query_rows, Shared::key_rows);
  if (threadIdx.x % 32 == 0) produce(shared, states, mapped, tile);
}

// ---- Consumers ------------------------------------------------------------------

// Waits for the next tile of queries; an empty one ends the loop. The description stays in shared memory until the
// queries are released, so that it takes no registers from the consumers
template <class Shared>
__device__ const QueryTile& next_tile(Shared& shared, const PipelineStates<Shared>& states) {
  states.Q.wait_full(shared.Q_pipeline);
  return shared.tile[states.Q.stage];
}

}  // namespace ringattn::gpu
