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

#include "gpu/kernels/launch.cuh"
#include "gpu/kernels/overlapped.cuh"
#include "gpu/kernels/rungs.h"
#include "gpu/kernels/tile_order.h"

namespace ringattn::gpu {

namespace {

constexpr int query_stages = 2;  // tiles of queries in shared memory: one in use, one on its way

template <class T, int d>
using Store = TileStore<T, query_rows, key_rows, d, query_stages>;

// By a warp: takes the first tile that nobody has, and that has queries; an empty one where there is none
template <class T>
__device__ QueryTile take_tile(const AttentionStep& step, const TileOrder& order) {
  QueryTile tile;
  while (tile.empty()) {
    // As many ask in vain as there are blocks; who asks last sets the number back to 0
    const unsigned last = order.all() + gridDim.x - 1;
    const int place =
        __shfl_sync(0xffffffff, threadIdx.x % 32 == 0 ? atomicInc(step.taken_tiles, last) : 0, 0);
    if (place >= order.all()) return {};
    const auto [head, n] = order[place];
    const int heads = step.B * step.H;
    tile = find_tile<T>(step, head / heads, head % heads, n, query_rows, key_rows);
  }
  return tile;
}

template <class T, int d>
__device__ void fetch_all(Store<T, d>& store, const MappedStep& mapped, const TileOrder& order) {
  Places<Store<T, d>> places;
  while (true) {
    const QueryTile tile = take_tile<T>(mapped.step, order);
    if (threadIdx.x % 32 == 0) fetch(store, places, mapped, tile);
    if (tile.empty()) return;
  }
}

template <class T, int d>
__device__ void consume_all(Store<T, d>& store, const AttentionStep& step, const Turns& turns) {
  Places<Store<T, d>> places;
  turns.begin();
  while (true) {
    const QueryTile& tile = next_tile(store, places);
    if (tile.empty()) break;
    consume(store, places, step, tile, turns);
  }
  turns.end();
}

template <class T, int d>
__global__ void __launch_bounds__(threads, 1)
    persistent(const __grid_constant__ MappedStep mapped, TileOrder order) {
  auto& store = *shared_memory<Store<T, d>>();
  if (threadIdx.x == 0) store.make(4 * consumers);
  __syncthreads();

  const int warpgroup = threadIdx.x / 128;
  if (warpgroup == consumers) {
    have_fewer_registers<fetching_registers>();
    if (threadIdx.x % 128 < 32) fetch_all(store, mapped, order);
  } else {
    have_more_registers<consuming_registers>();
    consume_all(store, mapped.step, Turns{warpgroup});
  }
}

// So many heads that their keys and values fill half of the second-level cache; at least those that share
// them
int heads_beside(const AttentionStep& step) {
  std::size_t keys = 1;
  for (int i = 0; i < step.devices; ++i) keys = std::max(keys, std::size_t(step.device[i].kv_rows));
  const std::size_t bytes = keys * (step.d + step.dv) * 2, cache = attribute(cudaDevAttrL2CacheSize);
  const int kv_heads = step.B * step.Hkv * step.devices;
  return step.H / step.Hkv * std::clamp(static_cast<int>(cache / 2 / bytes), 1, kv_heads);
}

}  // namespace

std::string persistent_refuses(const AttentionStep& step) { return hopper_refuses(step); }

void launch_persistent(const AttentionStep& step, cudaStream_t stream) {
  if (!step.taken_tiles)
    throw GpuError(
        "[gpu] rung 7 counts tiles in AttentionStep::taken_tiles; found none; set it to a TakenTiles");
  const dim3 tiles = query_grid(step, query_rows);
  const TileOrder order{int(tiles.x), int(tiles.y * tiles.z), heads_beside(step)};
  const int processors = attribute(cudaDevAttrMultiProcessorCount) - step.spared_processors;
  const dim3 blocks(std::min(order.all(), std::max(1, processors)));
  with_16_bit_tiles(step, [&]<class T, int d>() {
    launch(persistent<T, d>, blocks, threads, sizeof(Store<T, d>), stream, mapped(step, query_rows, key_rows),
           order);
  });
}

}  // namespace ringattn::gpu
