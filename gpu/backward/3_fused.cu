// Backward, rung 3: one kernel, whose thread blocks add to dQ atomically.
//
// New      A thread block owns 128 keys and loops over the queries that attend to them: five products instead of seven.
//          Thread blocks add their contributions to dQ in global memory in any order, so the last bits differ from run
//          to run (FlashAttention-2, arXiv:2307.08691, section 3.2). The products are wgmma of two warpgroups, 64 keys
//          each, and a producer warp loads tiles ahead (FlashAttention-3, arXiv:2407.08608, section 3.1). S and dP are
//          computed transposed, so that P and dS are left operands in registers; only the product for dQ reads dS from
//          shared memory.
// Bought   unmeasured.
// Wasted   the two warpgroups wait for each other before dQ; products and exponentials alternate within a warpgroup; dQ
//          is added from registers, eight bytes at a time.
// Next     S of the next tile beside the products of this one, and dQ added by the TMA from shared memory.

#include <cuda_runtime.h>

#include "gpu/backward/key_tile.cuh"
#include "gpu/backward/ladder.h"
#include "gpu/backward/query_terms.cuh"
#include "gpu/primitives/launch.cuh"
#include "gpu/tiles/lane_rows.cuh"
#include "gpu/tiles/pipeline.cuh"

namespace ringattn::gpu {

namespace {

constexpr int consumers = 2, threads = 128 * (1 + consumers);
constexpr int key_rows = 64 * consumers, stages = 2;
constexpr int producer_registers = 24, consumer_registers = 240;  // 128 x 24 + 256 x 240 < 65536

// Chosen so that each warpgroup computes 64 x 64 numbers of dQ for a tile
template <int d>
constexpr int query_rows = 64 * consumers * 64 / d;
template <int d>
using Tile = KeyTile<query_rows<d>>;

struct MappedBackward {
  BackwardStep step;
  TensorMap Q[AttentionStep::max_devices], dO[AttentionStep::max_devices], K[AttentionStep::max_devices],
      V[AttentionStep::max_devices];
};

template <class T, int d>
struct Shared {
  TmaTile<T, key_rows, d> K, V;
  TmaTile<T, query_rows<d>, d> Q[stages], dO[stages];
  TmaTile<T, key_rows, query_rows<d>> dS[2];  // transposed; one is written while the other may be in use
  QueryTerms terms[stages][query_rows<d>];
  Pipeline<1> key_pipeline;
  Pipeline<stages> query_pipeline;
};

// The producer warp: loads all keys, then tile after tile of queries, each as soon as a stage is empty
template <class T, int d>
__device__ void produce(Shared<T, d>& shared, const MappedBackward& mapped, const Tile<d>& tile) {
  const int device = tile.device, lane = threadIdx.x % 32;
  if (lane == 0 && tile.iterations > 0) {
    MBarrier& full = shared.key_pipeline.full[0];
    full.arrive_and_expect_tx(sizeof(shared.K) + sizeof(shared.V));
    shared.K.load_async(mapped.K[device], tile.first, tile.kv_head, full);
    shared.V.load_async(mapped.V[device], tile.first, tile.kv_head, full);
  }
  PipelineState<stages> state;
  for (int iteration = 0; iteration < tile.iterations; ++iteration) {
    const int head = tile.head(iteration), base = tile.base(iteration), stage = state.stage;
    const BackwardHeadView<T> at = backward_head_view<T>(mapped.step, device, head);
    QueryTerms terms[query_rows<d> / 32];  // loaded while the consumers still use the stage
#pragma unroll
    for (int n = 0; n < query_rows<d> / 32; ++n) terms[n] = query_terms(at, base + 32 * n + lane);
    state.wait_empty(shared.query_pipeline);
#pragma unroll
    for (int n = 0; n < query_rows<d> / 32; ++n) shared.terms[stage][32 * n + lane] = terms[n];
    __syncwarp();
    if (lane == 0) {
      MBarrier& full = shared.query_pipeline.full[stage];
      full.arrive_and_expect_tx(sizeof(shared.Q[0]) + sizeof(shared.dO[0]));
      shared.Q[stage].load_async(mapped.Q[device], base, head, full);
      shared.dO[stage].load_async(mapped.dO[device], base, head, full);
    }
    state.advance();
  }
}

// Adds the 64 x 64 numbers of a warpgroup to dQ, from row _first_ and column _column_ on
template <int d>
__device__ void add_share(float* dQ, const Fragment<64>& share, int first, int column, int rows) {
  const LaneRows lane = lane_rows(first + threadIdx.x / 32 % 4 * 16, rows - 1);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (lane.row[half] > lane.last) continue;
    float* const row = dQ + size_t(lane.row[half]) * d + column + 2 * lane.t;
#pragma unroll
    for (int n = 0; n < 8; ++n) red_add_pair(row + 8 * n, share[n][2 * half], share[n][2 * half + 1]);
  }
}

// Sets P = 0 in the rows of missing keys, whose scores are 0 and not -inf
template <int columns>
__device__ void zero_missing_rows(Fragment<columns>& P, const LaneRows& rows) {
#pragma unroll
  for (int n = 0; n < columns / 8; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e)
      if (rows.row[e / 2] > rows.last) P[n][e] = 0;
}

// A warp's 16 rows, from row _row_ on
template <class T, int columns, int rows>
__device__ void store_a_operand(TmaTile<T, rows, columns>& tile, int row,
                                const uint32_t (&A)[columns / 16][4]) {
  const int g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
  for (int k = 0; k < columns / 16; ++k)
#pragma unroll
    for (int r = 0; r < 4; ++r) tile.store_pair(row + g + r % 2 * 8, 16 * k + r / 2 * 8 + 2 * t, A[k][r]);
}

// A consumer warpgroup: its 64 keys and all tiles of queries
template <class T, int d>
__device__ void consume(Shared<T, d>& shared, const BackwardStep& step, const Tile<d>& tile, int warpgroup) {
  constexpr int queries = query_rows<d>;
  const BackwardHeadView<T> keys = backward_head_view<T>(step, tile.device, tile.first_head);
  const LaneRows rows = lane_rows(tile.first + threadIdx.x / 32 * 16, tile.last);
  const bool whole = tile.first + key_rows - 1 == tile.last;
  Fragment<d> dK, dV;
  load_fragment<d>(dK, keys.dK, rows, step.add_to_dK_dV);
  load_fragment<d>(dV, keys.dV, rows, step.add_to_dK_dV);

  PipelineState<stages> state;
  if (tile.iterations > 0) PipelineState<1>().wait_full(shared.key_pipeline);
  for (int iteration = 0; iteration < tile.iterations; ++iteration) {
    const int base = tile.base(iteration), stage = state.stage;
    state.wait_full(shared.query_pipeline);

    // S^T = K Q^T   dP^T = V dO^T
    Fragment<queries> S, dP;
    wgmma_fence();
    issue_scores<T, queries>(S, shared.K, 64 * warpgroup, shared.Q[stage]);
    issue_scores<T, queries>(dP, shared.V, 64 * warpgroup, shared.dO[stage]);

    const auto terms_of = [&](int n, int e) { return shared.terms[stage][8 * n + 2 * rows.t + e % 2]; };
    wgmma_wait<1>();  // S is done, dP still running
    if (!tile.queries.all_visible(base, queries))
      mask_scores<queries>(S, rows, key_visibility(step.window, keys), base);
    compute_P<queries>(S, step.scale, terms_of);
    if (!whole) zero_missing_rows<queries>(S, rows);
    wgmma_wait<0>();
    compute_dS<queries>(dP, S, step.scale, terms_of);

    // dV += P^T dO   dK += scale dS^T Q
    uint32_t P[queries / 16][4], dS[queries / 16][4];
    to_a_operand<T, queries>(P, S);
    to_a_operand<T, queries>(dS, dP);
    TmaTile<T, key_rows, queries>& all_dS = shared.dS[iteration % 2];
    store_a_operand<T, queries>(all_dS, threadIdx.x / 32 * 16, dS);
    fence_proxy_async();
    wgmma_fence();
    issue_values<T, queries>(dV, P, shared.dO[stage]);
    issue_values<T, queries>(dK, dS, shared.Q[stage]);

    // dQ += scale dS K, over the dS of both warpgroups; each computes one of the two 64 x 64 squares of dQ
    named_barrier_sync(1, 128 * consumers);
    const int below = d == 64 ? warpgroup : 0, beside = d == 64 ? 0 : warpgroup;
    Fragment<64> dQ;
    wgmma_fence();
    issue_transposed(dQ, all_dS, below, shared.K, beside);
    wgmma_wait<0>();
    state.release(shared.query_pipeline);
    add_share<d>(backward_head_view<T>(step, tile.device, tile.head(iteration)).dQ, dQ, base + 64 * below,
                 64 * beside, keys.q_rows);
  }
  store_fragment<d>(dK, keys.dK, rows);
  store_fragment<d>(dV, keys.dV, rows);
}

template <class T, int d>
__global__ void __launch_bounds__(threads, 1) fused(const __grid_constant__ MappedBackward mapped) {
  Tile<d> tile;
  if (!find_tile<T>(tile, mapped.step, key_rows)) return;
  auto& shared = *shared_memory<Shared<T, d>>();
  if (threadIdx.x == 0) {
    shared.key_pipeline.init(4 * consumers), shared.query_pipeline.init(4 * consumers);
    fence_barrier_init();
  }
  __syncthreads();

  const int warpgroup = threadIdx.x / 128;
  if (warpgroup == consumers) {
    warpgroup_reg_dealloc<producer_registers>();
    if (threadIdx.x % 128 < 32) produce(shared, mapped, tile);
  } else {
    warpgroup_reg_alloc<consumer_registers>();
    consume(shared, mapped.step, tile, warpgroup);
  }
}

MappedBackward with_tensor_maps(const BackwardStep& step, int queries) {
  MappedBackward mapped{step, {}, {}, {}, {}};
  for (int i = 0; i < step.devices; ++i) {
    const DeviceBackward& s = step.device[i];
    const int heads = step.B * step.H, kv_heads = step.B * step.Hkv;
    mapped.Q[i] = make_tensor_map(s.Q, step.element, heads, s.q_rows, step.d, queries);
    mapped.dO[i] = make_tensor_map(s.dO, step.element, heads, s.q_rows, step.dv, queries);
    mapped.K[i] = make_tensor_map(s.K, step.element, kv_heads, s.kv_rows, step.d, key_rows);
    mapped.V[i] = make_tensor_map(s.V, step.element, kv_heads, s.kv_rows, step.dv, key_rows);
  }
  return mapped;
}

}  // namespace

std::string fused_unsupported_reason(const BackwardStep& step) {
  if (device_attribute(cudaDevAttrComputeCapabilityMajor) != 9)
    return "it uses instructions that only Hopper has (sm_90a)";
  return two_kernels_unsupported_reason(step);
}

void launch_fused(const BackwardStep& step, cudaStream_t stream) {
  for (int i = 0; i < step.devices && !step.add_to_dQ; ++i) {
    const DeviceBackward& s = step.device[i];
    const std::size_t numbers = std::size_t{1} * step.B * step.H * s.q_rows * step.d;
    if (numbers > 0) CHECK_CUDA(cudaMemsetAsync(s.dQ, 0, numbers * sizeof(float), stream));
  }
  dispatch_16_bit_tiles(step, [&]<class T, int d>() {
    launch(fused<T, d>, key_grid(step, key_rows), threads, sizeof(Shared<T, d>), stream,
           with_tensor_maps(step, query_rows<d>));
  });
}

}  // namespace ringattn::gpu
