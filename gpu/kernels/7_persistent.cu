// Rung 7: blocks of threads that stay, and the heaviest tiles first.
//
// New      There are as many blocks as processors, and each takes whatever tile of queries nobody has yet.
//          The warp that fetches is a tile ahead: it finds out which keys the next queries see, and they are
//          there when the others come to them. Tiles that see most keys come first, so that what is left at
//          the end is small (longest processing time first, Graham, doi:10.1137/0117039), but only of so many
//          heads that their keys stay in the second-level cache.
// Bought   unmeasured.
// Wasted   results are written by the registers that computed them; O shrinks after each tile, be it by a
//          factor of 1.
// Next     the copy engine could write results, and O shrink only where a maximum has grown.

#include <cuda_runtime.h>

#include "gpu/kernels/ladder.h"
#include "gpu/kernels/ping_pong.cuh"
#include "gpu/kernels/tile_scheduler.h"
#include "gpu/primitives/launch.cuh"

namespace ringattn::gpu {

namespace {

constexpr int query_stages = 2;  // tiles of queries in shared memory: one in use, one on its way

template <class T, int d>
using Shared = SharedTiles<T, query_rows, key_rows, d, query_stages>;

// By a warp: takes the first tile that nobody has, and that has queries; an empty one where there is none
template <class T>
__device__ QueryTile claim_tile(const AttentionStep& step, const TileScheduler& scheduler) {
  QueryTile tile;
  while (tile.empty()) {
    // As many ask in vain as there are blocks; who asks last sets the number back to 0
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

template <class T, int d>
__device__ void produce_all(Shared<T, d>& shared, const MappedStep& mapped, const TileScheduler& scheduler) {
  PipelineStates<Shared<T, d>> states;
  while (true) {
    const QueryTile tile = claim_tile<T>(mapped.step, scheduler);
    if (threadIdx.x % 32 == 0) produce(shared, states, mapped, tile);
    if (tile.empty()) return;
  }
}

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

  const int warpgroup = threadIdx.x / 128;
  if (warpgroup == consumers) {
    warpgroup_reg_dealloc<producer_registers>();
    if (threadIdx.x % 128 < 32) produce_all(shared, mapped, scheduler);
  } else {
    warpgroup_reg_alloc<consumer_registers>();
    consume_all(shared, mapped.step, PingPong{warpgroup});
  }
}

// So many heads that their keys and values fill half of the second-level cache; at least those that share
// them
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
        "[gpu] rung 7 counts tiles in AttentionStep::tile_counter; found none; set it to a TileCounter");
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
