// Rung 5: some fetch, others multiply.
//
// New      A block has one warpgroup that only asks the copy engine for tiles, and three that only consume
//          them, each at its own pace: while one computes its softmax, the tensor cores work for another
//          (FlashAttention-3, arXiv:2407.08608, section 3.1). The fetching warpgroup gives most of its
//          registers to the others.
// Bought   unmeasured.
// Wasted   within a warpgroup products and softmax still take turns, and nothing makes sure that the
//          warpgroups are out of step.
// Next     overlap within a warpgroup, and warpgroups that take turns.

#include <cuda_runtime.h>

#include "gpu/kernels/launch.cuh"
#include "gpu/kernels/pipeline.cuh"
#include "gpu/kernels/rungs.h"
#include "gpu/kernels/warp_rows.cuh"

namespace ringattn::gpu {

namespace {

constexpr int consumers = 3, threads = 128 * (1 + consumers);
constexpr int query_rows = 64 * consumers, key_rows = 128;
constexpr int fetching_registers = 32, consuming_registers = 160;  // 128 x 32 + 384 x 160 = 65536

template <class T, int d>
using Store = TileStore<T, query_rows, key_rows, d>;

// By one of the consuming warpgroups: its 64 queries meet all keys
template <class T, int d>
__device__ void consume(Store<T, d>& store, const AttentionStep& step, int warpgroup) {
  Places<Store<T, d>> places;
  const QueryTile tile = next_tile(store, places);
  const HeadStep<T> at = tile.head_of<T>(step);
  const int warp = threadIdx.x / 32 % 4;
  WarpRows<d> rows = load_rows<T, d>(step, at, tile.first + 64 * warpgroup + 16 * warp, tile.last);
  for (int base = tile.keys.any.begin; base < tile.keys.any.end; base += key_rows) {
    Fragment<key_rows> S;
    places.K.wait_until_filled(store.K_flow);
    begin_products();
    begin_scores<T, key_rows>(S, store.Q[0], 64 * warpgroup, store.K[places.K.stage]);
    wait_for_products<0>();
    places.K.leave(store.K_flow);

    if (!tile.keys.all_see(base, key_rows))
      mask_scores<key_rows>(S, rows, queries_see_keys(step.reach, at), base);
    shrink<d>(rows.O, soften<key_rows>(S, rows, step.scale * log2_e));
    uint32_t P[key_rows / 16][4];
    left_factors<T, key_rows>(P, S);

    places.V.wait_until_filled(store.V_flow);
    begin_products();
    begin_values<T, key_rows>(rows.O, P, store.V[places.V.stage]);
    wait_for_products<0>();
    places.V.leave(store.V_flow);
  }
  store_rows(step, at, rows);
}

template <class T, int d>
__global__ void __launch_bounds__(threads, 1) specialised(const __grid_constant__ MappedStep mapped) {
  if (int(blockIdx.x) * query_rows >= mapped.step.device[blockIdx.z].q_rows) return;
  auto& store = *shared_memory<Store<T, d>>();
  if (threadIdx.x == 0) store.make(4 * consumers);
  __syncthreads();

  const int warpgroup = threadIdx.x / 128;
  if (warpgroup == consumers) {
    have_fewer_registers<fetching_registers>();
    if (threadIdx.x % 128 < 32) fetch_tile_of_block(store, mapped);
  } else {
    have_more_registers<consuming_registers>();
    consume<T, d>(store, mapped.step, warpgroup);
  }
}

}  // namespace

std::string specialised_refuses(const AttentionStep& step) { return hopper_refuses(step); }

void launch_specialised(const AttentionStep& step, cudaStream_t stream) {
  with_16_bit_tiles(step, [&]<class T, int d>() {
    launch(specialised<T, d>, query_grid(step, query_rows), threads, sizeof(Store<T, d>), stream,
           mapped(step, query_rows, key_rows));
  });
}

}  // namespace ringattn::gpu
