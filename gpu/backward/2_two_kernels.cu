// Backward, rung 2: products on the tensor cores, in one kernel for queries and one for keys.
//
// New      A warp has 16 rows, of queries or of keys, and loops over tiles of the other kind. S and dP, or S^T and dP^T,
//          are products of operands in shared memory and stay in registers, where P and dS already have the layout of
//          the left operands of the next products (FlashAttention-2, arXiv:2307.08691, Algorithm 2, with its loops in
//          either order). The next tile is copied while this one is in use. Tiles without visible pairs are skipped.
// Bought   unmeasured.
// Wasted   S and dP are computed twice, seven products instead of five, so that each gradient has a single writer and
//          every run gives the same bits.
// Next     one kernel, whose thread blocks add to dQ together.

#include <cuda_runtime.h>

#include "gpu/backward/key_tile.cuh"
#include "gpu/backward/ladder.h"
#include "gpu/backward/query_terms.cuh"
#include "gpu/primitives/launch.cuh"
#include "gpu/tiles/lane_rows.cuh"
#include "gpu/tiles/swizzled_tile.cuh"

namespace ringattn::gpu {

namespace {

constexpr int warps = 4, threads = 32 * warps;
constexpr int tile_rows = 16 * warps;  // of the rows that stay
constexpr int stages = 2;              // tiles of the others in shared memory: one in use, one being copied

// Rows of a tile of the other kind; of queries as many as leave room in the registers for dK, dV, S and dP
constexpr int streamed_keys = 64;
template <int d>
constexpr int streamed_queries = d == 64 ? 64 : 32;

// Of queries Q and dO, of keys K and V: S = Q K^T, dP = dO V^T
template <class T, int rows, int d>
struct OperandTiles {
  SwizzledTile<T, rows, d> of_S, of_dP;
};

template <class T, int streamed_rows, int d>
struct Shared {
  OperandTiles<T, tile_rows, d> resident;
  OperandTiles<T, streamed_rows, d> streamed[stages];
  QueryTerms terms[stages][streamed_rows];  // of the queries that pass
};

template <class T, int rows, int d>
__device__ void load_queries(OperandTiles<T, rows, d>& tile, const BackwardHeadView<T>& at, int base) {
  load_async<threads>(tile.of_S, at.Q, base, at.q_rows);
  load_async<threads>(tile.of_dP, at.dO, base, at.q_rows);
}
template <class T, int rows, int d>
__device__ void load_keys(OperandTiles<T, rows, d>& tile, const BackwardHeadView<T>& at, int base) {
  load_async<threads>(tile.of_S, at.K, base, at.kv_rows);
  load_async<threads>(tile.of_dP, at.V, base, at.kv_rows);
}

// dQ += scale dS K, by a thread block for each tile of queries
template <class T, int d>
__global__ void __launch_bounds__(threads, 2) two_kernels_dQ(const __grid_constant__ BackwardStep step) {
  const BackwardHeadView<T> at = backward_head_view<T>(step, blockIdx.z, blockIdx.y);
  const int first = blockIdx.x * tile_rows, last = min(first + tile_rows, at.q_rows) - 1;
  if (first >= at.q_rows) return;
  auto& shared = *shared_memory<Shared<T, streamed_keys, d>>();
  const int warp = threadIdx.x / 32;
  const Visibility visibility = query_visibility(step.window, at);
  const VisibleRows keys = visible_rows(visibility, first, last, streamed_keys);

  load_queries(shared.resident, at, first);
  load_keys(shared.streamed[0], at, keys.any.begin);
  cp_async_commit();
  const LaneRows rows = lane_rows(first + 16 * warp, last);
  const QueryTerms terms[2] = {query_terms(at, rows.row[0]), query_terms(at, rows.row[1])};
  Fragment<d> dQ;
  load_fragment<d>(dQ, at.dQ, rows, step.add_to_dQ);

  for (int base = keys.any.begin, stage = 0; base < keys.any.end; base += streamed_keys, stage ^= 1) {
    cp_async_wait<0>();
    __syncthreads();  // this tile has arrived, and all warps have finished with the other one
    if (base + streamed_keys < keys.any.end) {
      load_keys(shared.streamed[stage ^ 1], at, base + streamed_keys);
      cp_async_commit();
    }
    OperandTiles<T, streamed_keys, d>& streamed = shared.streamed[stage];
    Fragment<streamed_keys> S, dP;
    multiply_scores<streamed_keys>(S, shared.resident.of_S, 16 * warp, streamed.of_S);
    multiply_scores<streamed_keys>(dP, shared.resident.of_dP, 16 * warp, streamed.of_dP);
    if (!keys.all_visible(base, streamed_keys)) mask_scores<streamed_keys>(S, rows, visibility, base);
    const auto terms_of = [&](int, int e) { return terms[e / 2]; };
    compute_P<streamed_keys>(S, step.scale, terms_of);
    compute_dS<streamed_keys>(dP, S, step.scale, terms_of);

    uint32_t dS[streamed_keys / 16][4];
    to_a_operand<T, streamed_keys>(dS, dP);
    multiply_values<d>(dQ, dS, streamed.of_S);
  }
  cp_async_wait<0>();
  store_fragment<d>(dQ, at.dQ, rows);
}

// dK += scale dS^T Q   dV += P^T dO, by a thread block for each tile of keys; it loops over the tiles of queries of all
// heads that use the keys
template <class T, int d>
__global__ void __launch_bounds__(threads, 2) two_kernels_dK_dV(const __grid_constant__ BackwardStep step) {
  constexpr int streamed_rows = streamed_queries<d>;
  KeyTile<streamed_rows> tile;
  if (!find_tile<T>(tile, step, tile_rows)) return;
  auto& shared = *shared_memory<Shared<T, streamed_rows, d>>();
  const int warp = threadIdx.x / 32;
  const BackwardHeadView<T> at = backward_head_view<T>(step, tile.device, tile.first_head);

  const auto load_tile = [&](int iteration, int stage) {
    const BackwardHeadView<T> head = backward_head_view<T>(step, tile.device, tile.head(iteration));
    load_queries(shared.streamed[stage], head, tile.base(iteration));
    cp_async_commit();
    if (threadIdx.x < streamed_rows)
      shared.terms[stage][threadIdx.x] = query_terms(head, tile.base(iteration) + threadIdx.x);
  };
  load_keys(shared.resident, at, tile.first);
  cp_async_commit();  // which cp_async_wait below completes even if no query attends to the keys
  if (tile.iterations > 0) load_tile(0, 0);
  const LaneRows rows = lane_rows(tile.first + 16 * warp, tile.last);
  Fragment<d> dK, dV;
  load_fragment<d>(dK, at.dK, rows, step.add_to_dK_dV);
  load_fragment<d>(dV, at.dV, rows, step.add_to_dK_dV);

  for (int iteration = 0, stage = 0; iteration < tile.iterations; ++iteration, stage ^= 1) {
    cp_async_wait<0>();
    __syncthreads();  // this tile has arrived, and all warps have finished with the other one
    if (iteration + 1 < tile.iterations) load_tile(iteration + 1, stage ^ 1);
    OperandTiles<T, streamed_rows, d>& streamed = shared.streamed[stage];
    Fragment<streamed_rows> S, dP;  // transposed
    multiply_scores<streamed_rows>(S, shared.resident.of_S, 16 * warp, streamed.of_S);
    multiply_scores<streamed_rows>(dP, shared.resident.of_dP, 16 * warp, streamed.of_dP);
    if (!tile.queries.all_visible(tile.base(iteration), streamed_rows))
      mask_scores<streamed_rows>(S, rows, key_visibility(step.window, at), tile.base(iteration));
    const auto terms_of = [&](int n, int e) { return shared.terms[stage][8 * n + 2 * rows.t + e % 2]; };
    compute_P<streamed_rows>(S, step.scale, terms_of);
    compute_dS<streamed_rows>(dP, S, step.scale, terms_of);

    uint32_t P[streamed_rows / 16][4], dS[streamed_rows / 16][4];
    to_a_operand<T, streamed_rows>(P, S);
    to_a_operand<T, streamed_rows>(dS, dP);
    multiply_values<d>(dV, P, streamed.of_dP);
    multiply_values<d>(dK, dS, streamed.of_S);
  }
  cp_async_wait<0>();
  store_fragment<d>(dK, at.dK, rows);
  store_fragment<d>(dV, at.dV, rows);
}

}  // namespace

std::string two_kernels_unsupported_reason(const BackwardStep& step) {
  if (step.element == Element::f32) return "the tensor cores multiply bf16 and f16, not f32";
  if (step.d != step.dv || (step.d != 64 && step.d != 128))
    return "its tiles have 64 or 128 columns, in Q, K and V alike";
  if (!(step.scale > 0))
    return "it masks scores with minus infinity before it scales them, so the scale must be positive";
  return {};
}

void launch_two_kernels(const BackwardStep& step, cudaStream_t stream) {
  dispatch_16_bit_tiles(step, [&]<class T, int d>() {
    launch(two_kernels_dQ<T, d>, query_grid(step, tile_rows), threads, sizeof(Shared<T, streamed_keys, d>),
           stream, step);
    launch(two_kernels_dK_dV<T, d>, key_grid(step, tile_rows), threads,
           sizeof(Shared<T, streamed_queries<d>, d>), stream, step);
  });
}

}  // namespace ringattn::gpu
