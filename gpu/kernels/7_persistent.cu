// Rung 7: blocks of threads that stay, and the heaviest tiles first.
//
// New      There are as many blocks as processors, and each takes one tile of queries after the other. The
//          warpgroup that fetches is a tile ahead: nobody waits for the first keys of the next one. Tiles
//          that see most keys come first, so that what is left at the end is small (longest processing time
//          first, Graham, doi:10.1137/0117039).
// Bought   unmeasured.
// Wasted   results are written by the registers that computed them, while the tensor cores wait.
// Next     the copy engine could write them, and tiles of 176 keys would use the rest of shared memory.

#include <cuda_runtime.h>

#include "gpu/kernels/launch.cuh"
#include "gpu/kernels/overlapped.cuh"
#include "gpu/kernels/rungs.h"

namespace ringattn::gpu {

namespace {

// Calls f with each tile of this block of threads: the last queries, which see most under a causal mask, of
// all heads and devices first
template <class T, class F>
__device__ void for_each_tile(const AttentionStep& step, dim3 tiles, F&& f) {
  const int heads = tiles.y, all = tiles.x * tiles.y * tiles.z, beside = tiles.y * tiles.z;
  for (int n = blockIdx.x; n < all; n += gridDim.x) {
    QueryTile tile;
    const int row = tiles.x - 1 - n / beside, device = n % beside / heads, head = n % heads;
    if (find_tile<T>(tile, step, device, head, row, query_rows, key_rows)) f(tile);
  }
}

template <class T, int d>
__global__ void __launch_bounds__(threads, 1)
    persistent(const __grid_constant__ MappedStep mapped, dim3 tiles) {
  const AttentionStep& step = mapped.step;
  auto& store = *shared_memory<Store<T, d>>();
  if (threadIdx.x == 0) store.make(4 * consumers);
  __syncthreads();

  const int warpgroup = threadIdx.x / 128;
  Places<stages> places;
  if (warpgroup == consumers) {
    have_fewer_registers<fetching_registers>();
    if (threadIdx.x % 128 < 32)
      for_each_tile<T>(step, tiles, [&](const QueryTile& tile) {
        if (threadIdx.x % 32 == 0) fetch(store, places, mapped, tile);
      });
  } else {
    have_more_registers<consuming_registers>();
    for_each_tile<T>(step, tiles, [&](const QueryTile& tile) {
      const HeadStep<T> at = head_step<T>(step, tile.device, tile.head);
      WarpRows<d> rows = load_rows<T, d>(step, at, tile.first + threadIdx.x / 32 * 16, tile.last);
      absorb(rows, store, places, step, at, tile, Turns{warpgroup});
      store_rows(step, at, rows);
    });
  }
}

}  // namespace

std::string persistent_refuses(const AttentionStep& step) { return hopper_refuses(step); }

void launch_persistent(const AttentionStep& step, cudaStream_t stream) {
  const dim3 tiles = query_grid(step, query_rows);
  const int processors = attribute(cudaDevAttrMultiProcessorCount) - step.spared_processors;
  const unsigned blocks = std::min(tiles.x * tiles.y * tiles.z, static_cast<unsigned>(std::max(1, processors)));
  with_16_bit_tiles(step, [&]<class T, int d>() {
    launch(persistent<T, d>, dim3(blocks), threads, sizeof(Store<T, d>), stream,
           mapped(step, query_rows, key_rows), tiles);
  });
}

}  // namespace ringattn::gpu
