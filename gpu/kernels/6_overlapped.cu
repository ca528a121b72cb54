// Rung 6: softmax and products overlap, within a warpgroup and between two.
//
// New      While the tensor cores multiply P and V of one tile, the warpgroup computes the softmax of the next tile; and
//          two warpgroups take turns on the tensor cores (ping_pong.cuh). There are two instead of three, because
//          S, P and O are live at the same time: 232 registers a thread.
// Bought   unmeasured.
// Wasted   at the end of a launch some SMs are idle while others finish, and each thread block starts with empty
//          shared memory.
// Next     persistent thread blocks, which process the heaviest tiles first.
//
//   warpgroup 0   S 0 │ softmax 0 │ S 1, P V 0 │ softmax 1  │ S 2, P V 1 │ ...
//   warpgroup 1       │ S 0       │ softmax 0  │ S 1, P V 0 │ softmax 1  │ ...

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

  // The last warpgroup is the producer, the other two alternate
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
