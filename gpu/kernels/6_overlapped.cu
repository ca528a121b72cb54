// Rung 6: the softmax beside the products, within a warpgroup and between two.
//
// New      While the tensor cores multiply P and V of one tile, the warpgroup computes the softmax of the
//          next one's scores; and two warpgroups take turns with the tensor cores (overlapped.cuh). Two
//          instead of three, because scores, P and O are all alive at once: 232 registers a thread.
// Bought   unmeasured.
// Wasted   at the end of a launch processors stand idle while others finish; each block of threads begins
//          with nothing in shared memory.
// Next     blocks that stay, and take the heaviest tiles first.

#include <cuda_runtime.h>

#include "gpu/kernels/launch.cuh"
#include "gpu/kernels/overlapped.cuh"
#include "gpu/kernels/rungs.h"

namespace ringattn::gpu {

namespace {

template <class T, int d>
using Store = TileStore<T, query_rows, key_rows, d>;

template <class T, int d>
__global__ void __launch_bounds__(threads, 1) overlapped(const __grid_constant__ MappedStep mapped) {
  const AttentionStep& step = mapped.step;
  if (int(blockIdx.x) * query_rows >= step.device[blockIdx.z].q_rows) return;
  auto& store = *shared_memory<Store<T, d>>();
  if (threadIdx.x == 0) store.make(4 * consumers);
  __syncthreads();

  const int warpgroup = threadIdx.x / 128;
  if (warpgroup == consumers) {
    have_fewer_registers<fetching_registers>();
    if (threadIdx.x % 128 < 32) fetch_tile_of_block(store, mapped);
  } else {
    have_more_registers<consuming_registers>();
    const Turns turns{warpgroup};
    turns.begin();
    Places<Store<T, d>> places;
    consume(store, places, step, next_tile(store, places), turns);
    turns.end();
  }
}

}  // namespace

std::string overlapped_refuses(const AttentionStep& step) { return hopper_refuses(step); }

void launch_overlapped(const AttentionStep& step, cudaStream_t stream) {
  with_16_bit_tiles(step, [&]<class T, int d>() {
    launch(overlapped<T, d>, query_grid(step, query_rows), threads, sizeof(Store<T, d>), stream,
           mapped(step, query_rows, key_rows));
  });
}

}  // namespace ringattn::gpu
