// Rung 5: warp specialisation, one producer warpgroup and three consumers.
//
// New      In a thread block one warpgroup only starts TMA copies, and three only compute, each at its own pace: while
//          one computes its softmax, the tensor cores multiply for another (FlashAttention-3, arXiv:2407.08608,
//          section 3.1). The producer releases most of its registers to the consumers.
// Bought   unmeasured.
// Wasted   within a warpgroup products and softmax still alternate, and nothing ensures that the warpgroups are out of
//          phase.
// Next     overlap within a warpgroup, and warpgroups that take turns.
//
//   producer      TMA: Q  K V 0  K V 1  (wait: empty)  K V 2 ...
//                            │ full         ▲ empty
//   consumer 0-2             └─► S, softmax, O += P V ─┘

#include <cuda_runtime.h>

#include "gpu/kernels/ladder.h"
#include "gpu/primitives/launch.cuh"
#include "gpu/tiles/pipeline.cuh"
#include "gpu/tiles/warp_rows.cuh"

namespace ringattn::gpu {

namespace {

constexpr int consumers = 3, threads = 128 * (1 + consumers);
constexpr int query_rows = 64 * consumers, key_rows = 128;
constexpr int producer_registers = 32, consumer_registers = 160;  // 128 x 32 + 384 x 160 = 65536

template <class T, int d>
using Shared = SharedTiles<T, query_rows, key_rows, d>;

// A consumer warpgroup: its 64 queries attend to all tiles of keys
template <class T, int d>
__device__ void consume(Shared<T, d>& shared, const AttentionStep& step, int warpgroup) {
  PipelineStates<Shared<T, d>> states;
  const QueryTile tile = next_tile(shared, states);
  const HeadView<T> at = tile.head_of<T>(step);
  const int warp = threadIdx.x / 32 % 4;
  WarpRows<d> rows = load_rows<T, d>(step, at, tile.first + 64 * warpgroup + 16 * warp, tile.last);
  for (int base = tile.keys.any.begin; base < tile.keys.any.end; base += key_rows) {
    // S = Q K^T
    Fragment<key_rows> S;
    states.K.wait_full(shared.K_pipeline);
    wgmma_fence();
    issue_scores<T, key_rows>(S, shared.Q[0], 64 * warpgroup, shared.K[states.K.stage]);
    wgmma_wait<0>();
    states.K.release(shared.K_pipeline);

    // Mask, then the online softmax: P, alpha, O = alpha O
    if (!tile.keys.all_visible(base, key_rows))
      mask_scores<key_rows>(S, rows, query_visibility(step.window, at), base);
    rescale<d>(rows.O, online_softmax<key_rows>(S, rows, step.scale * log2_e));
    uint32_t P[key_rows / 16][4];
    to_a_operand<T, key_rows>(P, S);

    // O += P V
    states.V.wait_full(shared.V_pipeline);
    wgmma_fence();
    issue_values<T, key_rows>(rows.O, P, shared.V[states.V.stage]);
    wgmma_wait<0>();
    states.V.release(shared.V_pipeline);
  }
  store_rows(step, at, rows);
}

template <class T, int d>
__global__ void __launch_bounds__(threads, 1) specialised(const __grid_constant__ MappedStep mapped) {
  if (int(blockIdx.x) * query_rows >= mapped.step.device[blockIdx.z].q_rows) return;
  auto& shared = *shared_memory<Shared<T, d>>();
  if (threadIdx.x == 0) shared.init(4 * consumers);
  __syncthreads();

  // The last warpgroup is the producer; the registers that it releases go to the consumers
  const int warpgroup = threadIdx.x / 128;
  if (warpgroup == consumers) {
    warpgroup_reg_dealloc<producer_registers>();
    if (threadIdx.x % 128 < 32) produce_block_tile(shared, mapped);
  } else {
    warpgroup_reg_alloc<consumer_registers>();
    consume<T, d>(shared, mapped.step, warpgroup);
  }
}

}  // namespace

std::string specialised_unsupported_reason(const AttentionStep& step) {
  return hopper_unsupported_reason(step);
}

void launch_specialised(const AttentionStep& step, cudaStream_t stream) {
  dispatch_16_bit_tiles(step, [&]<class T, int d>() {
    launch(specialised<T, d>, query_grid(step, query_rows), threads, sizeof(Shared<T, d>), stream,
           with_tensor_maps(step, query_rows, key_rows));
  });
}

}  // namespace ringattn::gpu
