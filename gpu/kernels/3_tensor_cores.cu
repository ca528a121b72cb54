// Rung 3: products on the tensor cores.
//
// New      Q K^T and P V are products of 16 x 16 x 8 on the tensor cores (mma.sync). A warp has 16 queries, and keeps
//          their scores and O in registers: the accumulator layout of one product is the layout of the left operand
//          of the next, so P needs no shared memory (FlashAttention-2, arXiv:2307.08691, section 3.3). The next tile
//          of keys is copied (cp.async) while this one is in use.
// Bought   unmeasured.
// Wasted   each warp loads all keys and values from shared memory into registers; on Hopper the tensor cores can read
//          shared memory themselves. Softmax and products alternate instead of overlapping.
// Next     warpgroups and the TMA of Hopper.
//
//   copy      K V 0 │ K V 1      │ K V 2      │ ...
//   compute         │ tile 0     │ tile 1     │ ...

#include <cuda_runtime.h>

#include "gpu/kernels/ladder.h"
#include "gpu/primitives/element.cuh"
#include "gpu/primitives/launch.cuh"
#include "gpu/tiles/head_view.cuh"
#include "gpu/tiles/softmax.cuh"
#include "gpu/tiles/swizzled_tile.cuh"
#include "gpu/tiles/warp_rows.cuh"

namespace ringattn::gpu {

namespace {

constexpr int warps = 4, threads = 32 * warps;
constexpr int query_rows = 16 * warps, key_rows = 64;
constexpr int stages = 2;  // tiles of keys in shared memory: one in use, one being copied

template <class T, int d>
struct Shared {
  SwizzledTile<T, query_rows, d> Q;
  SwizzledTile<T, key_rows, d> K[stages], V[stages];
};

template <class T, int d>
__global__ void __launch_bounds__(threads, 2) tensor_cores(const __grid_constant__ AttentionStep step) {
  const HeadView<T> at = head_view<T>(step, blockIdx.z, blockIdx.y);
  const int first = blockIdx.x * query_rows, last = min(first + query_rows, at.q_rows) - 1;
  if (first >= at.q_rows) return;
  auto& shared = *shared_memory<Shared<T, d>>();
  const int warp = threadIdx.x / 32;
  const VisibleRows keys = visible_keys(step.window, at, first, last, key_rows);

  // Start the copies: Q as one group, the first K and V as the next
  load_async<threads>(shared.Q, at.Q, first, at.q_rows);
  cp_async_commit();
  load_async<threads>(shared.K[0], at.K, keys.any.begin, at.kv_rows);
  load_async<threads>(shared.V[0], at.V, keys.any.begin, at.kv_rows);
  cp_async_commit();

  // Keep Q in registers for the whole loop
  WarpRows<d> rows = load_rows<T, d>(step, at, first + 16 * warp, last);
  uint32_t Q[d / 16][4];
  cp_async_wait<1>();
  __syncthreads();
#pragma unroll
  for (int c = 0; c < d / 16; ++c) shared.Q.load_a_operand(Q[c], 16 * warp, c);

  for (int base = keys.any.begin, stage = 0; base < keys.any.end; base += key_rows, stage ^= 1) {
    cp_async_wait<0>();
    __syncthreads();  // this tile has arrived, and all warps have finished with the other one
    if (base + key_rows < keys.any.end) {
      load_async<threads>(shared.K[stage ^ 1], at.K, base + key_rows, at.kv_rows);
      load_async<threads>(shared.V[stage ^ 1], at.V, base + key_rows, at.kv_rows);
      cp_async_commit();
    }

    // S = Q K^T, then the online softmax, then O += P V
    Fragment<key_rows> S;
    multiply_scores<key_rows>(
        S, [&](int c) -> const auto& { return Q[c]; }, shared.K[stage]);
    if (!keys.all_visible(base, key_rows))
      mask_scores<key_rows>(S, rows, query_visibility(step.window, at), base);
    rescale<d>(rows.O, online_softmax<key_rows>(S, rows, step.scale * log2_e));
    uint32_t P[key_rows / 16][4];
    to_a_operand<T, key_rows>(P, S);
    multiply_values<d>(rows.O, P, shared.V[stage]);
  }
  cp_async_wait<0>();
  store_rows(step, at, rows);
}

}  // namespace

std::string tensor_cores_unsupported_reason(const AttentionStep& step) {
  if (step.element == Element::f32) return "the tensor cores multiply bf16 and f16, not f32";
  if (step.d != step.dv || (step.d != 64 && step.d != 128))
    return "its tiles have 64 or 128 columns, in Q, K and V alike";
  if (!(step.scale > 0))
    return "it takes the maximum of the scores before it scales them, so the scale must be positive";
  return {};
}

void launch_tensor_cores(const AttentionStep& step, cudaStream_t stream) {
  dispatch_16_bit_tiles(step, [&]<class T, int d>() {
    launch(tensor_cores<T, d>, query_grid(step, query_rows), threads, sizeof(Shared<T, d>), stream, step);
  });
}

}  // namespace ringattn::gpu
