// Rung 7: persistent thread blocks, and the heaviest tiles first.
//
// New      There is one thread block for each SM, and each claims the next unclaimed tile of queries when it has
//          finished one. The producer warp is a tile ahead: it determines which keys the next queries attend to and
//          loads them, so that they are there when the consumers need them. Tiles with the most visible keys come
//          first, so that little work is left at the end (longest processing time first, Graham,
//          doi:10.1137/0117039), but only over a group of heads whose keys fit into the L2 cache.
// Bought   unmeasured.
// Wasted   results are written from registers, and O is rescaled after each tile, even by a factor of 1.
// Next     results written by the TMA, and O rescaled only if a maximum has grown.

#include <cuda_runtime.h>

#include "gpu/kernels/ladder.h"
#include "gpu/kernels/ping_pong.cuh"
#include "gpu/kernels/tile_scheduler.h"
#include "gpu/primitives/launch.cuh"

namespace ringattn::gpu {

namespace {

constexpr int query_stages = 2;  // tiles of queries in shared memory: one in use, one being copied

template <class T, int d>
using Shared = SharedTiles<T, query_rows, key_rows, d, query_stages>;

// By a warp: claims the next tile that has queries. Returns an empty tile if none is left
template <class T>
__device__ QueryTile claim_tile(const AttentionStep& step, const TileScheduler& scheduler) {
  QueryTile tile;
  while (tile.empty()) {
    // Each thread block makes one final request that fails; the last of these requests wraps the counter
    // around to 0, ready for the next launch
    const unsigned last = scheduler.count() + gridDim.x - 1;
    const int index =
        __shfl_sync(0xffffffff, threadIdx.x % 32 == 0 ? atomicInc(step.tile_counter, last) : 0, 0);
    if (index >= scheduler.count()) return {};
    const auto [head, n] = scheduler[index];
    const int heads = step.B * step.H;
    tile = find_tile<T>(step, head / heads, head % heads, n, query_rows, key_rows);
  }
  return tile;
}

// The producer warp: loads one tile after the other, and passes on the empty tile that ends the loop
template <class T, int d>
__device__ void produce_all(Shared<T, d>& shared, const MappedStep& mapped, const TileScheduler& scheduler) {
  PipelineStates<Shared<T, d>> states;
  while (true) {
    const QueryTile tile = claim_tile<T>(mapped.step, scheduler);
    if (threadIdx.x % 32 == 0) produce(shared, states, mapped, tile);
    if (tile.empty()) return;
  }
}

// A consumer warpgroup: computes one tile after the other
template <class T, int d>
__device__ void consume_all(Shared<T, d>& shared, const AttentionStep& step, const PingPong& ping_pong) {
  PipelineStates<Shared<T, d>> states;
  ping_pong.begin();
  while (true) {
    const QueryTile& tile = next_tile(shared, states);
    if (tile.empty()) break;
    consume(shared, states, step, tile, ping_pong);
  }
  ping_pong.end();
}

template <class T, int d>
__global__ void __launch_bounds__(threads, 1)
    persistent(const __grid_constant__ MappedStep mapped, TileScheduler scheduler) {
  auto& shared = *shared_memory<Shared<T, d>>();
  if (threadIdx.x == 0) shared.init(4 * consumers);
  __syncthreads();

  // The last warpgroup is the producer, the other two alternate
  const int warpgroup = threadIdx.x / 128;
  if (warpgroup == consumers) {
    warpgroup_reg_dealloc<producer_registers>();
    if (threadIdx.x % 128 < 32) produce_all(shared, mapped, scheduler);
  } else {
    warpgroup_reg_alloc<consumer_registers>();
    consume_all(shared, mapped.step, PingPong{warpgroup});
  }
}

// The number of query heads whose keys and values fill half of the L2 cache; at least one group that shares a head of
// keys and values
int heads_per_group(const AttentionStep& step) {
  std::size_t keys = 1;
  for (int i = 0; i < step.devices; ++i) keys = std::max(keys, std::size_t(step.device[i].kv_rows));
  const std::size_t bytes = keys * (step.d + step.dv) * 2, cache = device_attribute(cudaDevAttrL2CacheSize);
  const int kv_heads = step.B * step.Hkv * step.devices;
  return step.H / step.Hkv * std::clamp(static_cast<int>(cache / 2 / bytes), 1, kv_heads);
}

}  // namespace

std::string persistent_unsupported_reason(const AttentionStep& step) {
  return hopper_unsupported_reason(step);
}

void launch_persistent(const AttentionStep& step, cudaStream_t stream) {
  if (!step.tile_counter)
    throw GpuError(
        "[gpu] rung 7 needs AttentionStep::tile_counter; found a null pointer; set it to the data of a "
        "TileCounter");

  // One thread block for each SM that is not reserved for messages
  const dim3 tiles = query_grid(step, query_rows);
  const TileScheduler scheduler{int(tiles.x), int(tiles.y * tiles.z), heads_per_group(step)};
  const int sms = device_attribute(cudaDevAttrMultiProcessorCount) - step.reserved_sms;
  const dim3 blocks(std::min(scheduler.count(), std::max(1, sms)));
  dispatch_16_bit_tiles(step, [&]<class T, int d>() {
    launch(persistent<T, d>, blocks, threads, sizeof(Shared<T, d>), stream,
           with_tensor_maps(step, query_rows, key_rows), scheduler);
  });
}

}  // namespace ringattn::gpu
