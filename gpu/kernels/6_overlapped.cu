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

#include "gpu/kernels/ladder.h"
#include "gpu/kernels/ping_pong.cuh"
#include "gpu/primitives/launch.cuh"

namespace ringattn::gpu {

namespace {

template <class T, int d>
using Shared = SharedTiles<T, query_rows, key_rows, d>;

template <class T, int d>
__global__ void __launch_bounds__(threads, 1) overlapped(const __grid_constant__ MappedStep mapped) {
  const AttentionStep& step = mapped.step;
  if (int(blockIdx.x) * query_rows >= step.device[blockIdx.z].q_rows) return;
  auto& shared = *shared_memory<Shared<T, d>>();
  if (threadIdx.x == 0) shared.init(4 * consumers);
  __syncthreads();

  const int warpgroup = threadIdx.x / 128;
  if (warpgroup == consumers) {
    warpgroup_reg_dealloc<producer_registers>();
    if (threadIdx.x % 128 < 32) produce_block_tile(shared, mapped);
  } else {
    warpgroup_reg_alloc<consumer_registers>();
    const PingPong ping_pong{warpgroup};
    ping_pong.begin();
    PipelineStates<Shared<T, d>> states;
    consume(shared, states, step, next_tile(shared, states), ping_pong);
    ping_pong.end();
  }
}

}  // namespace

std::string overlapped_unsupported_reason(const AttentionStep& step) {
  return hopper_unsupported_reason(step);
}

void launch_overlapped(const AttentionStep& step, cudaStream_t stream) {
  dispatch_16_bit_tiles(step, [&]<class T, int d>() {
    launch(overlapped<T, d>, query_grid(step, query_rows), threads, sizeof(Shared<T, d>), stream,
           with_tensor_maps(step, query_rows, key_rows));
  });
}

}  // namespace ringattn::gpu
