// Backward, rung 2: the tensor cores multiply, in a kernel for queries and one for keys.
//
// New      A warp has 16 rows, of queries or of keys, and meets tile after tile of the others: S and dP, or
//          S^T and dP^T, are products of what lies in shared memory, and stay in registers, where P and dS
//          are as they are the left factors of the next products (FlashAttention-2, arXiv:2307.08691,
//          Algorithm 2, with its loops in either order). The next tile is on its way while this one is in
//          use. Tiles of which no pair is seen are left out.
// Bought   unmeasured.
// Wasted   S and dP are computed twice, seven products in the place of five, so that nobody adds to what
//          another writes, and every run gives the same bits.
// Next     one kernel, whose blocks of threads add to dQ together.

#include <cuda_runtime.h>

#include "gpu/backward/key_tile.cuh"
#include "gpu/backward/query_terms.cuh"
#include "gpu/backward/rungs.h"
#include "gpu/kernels/lane_rows.cuh"
#include "gpu/kernels/launch.cuh"
#include "gpu/kernels/swizzled_tile.cuh"

namespace ringattn::gpu {

namespace {

constexpr int warps = 4, threads = 32 * warps;
constexpr int tile_rows = 16 * warps;  // of the rows that stay
constexpr int stages = 2;              // tiles of the others in shared memory: one in use, one on its way

// The rows of the others that pass at a time: of queries so many that dK, dV, S and dP fit into the registers
constexpr int passing_keys = 64;
template <int d>
constexpr int passing_queries = d == 64 ? 64 : 32;

// Of queries Q and dO, of keys K and V: S = Q K^T, dP = dO V^T
template <class T, int rows, int d>
struct Factors {
  SwizzledTile<T, rows, d> of_S, of_dP;
};

template <class T, int passing, int d>
struct Shared {
  Factors<T, tile_rows, d> stays;
  Factors<T, passing, d> passes[stages];
  QueryTerms terms[stages][passing];  // of the queries that pass
};

template <class T, int rows, int d>
__device__ void send_for_queries(Factors<T, rows, d>& tile, const BackwardHead<T>& at, int base) {
  send_for<threads>(tile.of_S, at.Q, base, at.q_rows);
  send_for<threads>(tile.of_dP, at.dO, base, at.q_rows);
}
template <class T, int rows, int d>
__device__ void send_for_keys(Factors<T, rows, d>& tile, const BackwardHead<T>& at, int base) {
  send_for<threads>(tile.of_S, at.K, base, at.kv_rows);
  send_for<threads>(tile.of_dP, at.V, base, at.kv_rows);
}

// dQ += scale dS K, by a block of threads for each tile of queries
template <class T, int d>
__global__ void __launch_bounds__(threads, 2) two_kernels_dQ(const __grid_constant__ BackwardStep step) {
  const BackwardHead<T> at = backward_head<T>(step, blockIdx.z, blockIdx.y);
  const int first = blockIdx.x * tile_rows, last = min(first + tile_rows, at.q_rows) - 1;
  if (first >= at.q_rows) return;
  auto& shared = *shared_memory<Shared<T, passing_keys, d>>();
  const int warp = threadIdx.x / 32;
  const Sight sight = queries_see_keys(step.reach, at);
  const VisibleRows keys = visible_rows(sight, first, last, passing_keys);

  send_for_queries(shared.stays, at, first);
  send_for_keys(shared.passes[0], at, keys.any.begin);
  commit_copies();
  const LaneRows rows = lane_rows(first + 16 * warp, last);
  const QueryTerms terms[2] = {query_terms(at, rows.row[0]), query_terms(at, rows.row[1])};
  Fragment<d> dQ;
  load_fragment<d>(dQ, at.dQ, rows, step.add_to_dQ);

  for (int base = keys.any.begin, stage = 0; base < keys.any.end; base += passing_keys, stage ^= 1) {
    wait_for_copies<0>();
    __syncthreads();  // this tile has arrived, and nobody uses the other any more
    if (base + passing_keys < keys.any.end) {
      send_for_keys(shared.passes[stage ^ 1], at, base + passing_keys);
      commit_copies();
    }
    Factors<T, passing_keys, d>& passes = shared.passes[stage];
    Fragment<passing_keys> S, dP;
    multiply_scores<passing_keys>(S, shared.stays.of_S, 16 * warp, passes.of_S);
    multiply_scores<passing_keys>(dP, shared.stays.of_dP, 16 * warp, passes.of_dP);
    if (!keys.all_see(base, passing_keys)) mask_scores<passing_keys>(S, rows, sight, base);
    const auto terms_of = [&](int, int e) { return terms[e / 2]; };
    probabilities<passing_keys>(S, step.scale, terms_of);
    differentiate<passing_keys>(dP, S, step.scale, terms_of);

    uint32_t dS[passing_keys / 16][4];
    left_factors<T, passing_keys>(dS, dP);
    multiply_values<d>(dQ, dS, passes.of_S);
  }
  wait_for_copies<0>();
  store_fragment<d>(dQ, at.dQ, rows);
}

// dK += scale dS^T Q   dV += P^T dO, by a block of threads for each tile of keys; tiles of queries of all
// heads that use the keys pass by
template <class T, int d>
__global__ void __launch_bounds__(threads, 2) two_kernels_dK_dV(const __grid_constant__ BackwardStep step) {
  constexpr int passing = passing_queries<d>;
  KeyTile<passing> tile;
  if (!find_tile<T>(tile, step, tile_rows)) return;
  auto& shared = *shared_memory<Shared<T, passing, d>>();
  const int warp = threadIdx.x / 32;
  const BackwardHead<T> at = backward_head<T>(step, tile.device, tile.first_head);

  const auto send_for_tile = [&](int visit, int stage) {
    const BackwardHead<T> head = backward_head<T>(step, tile.device, tile.head(visit));
    send_for_queries(shared.passes[stage], head, tile.base(visit));
    commit_copies();
    if (threadIdx.x < passing)
      shared.terms[stage][threadIdx.x] = query_terms(head, tile.base(visit) + threadIdx.x);
  };
  send_for_keys(shared.stays, at, tile.first);
  commit_copies();  // which are waited for even where no query sees the keys
  if (tile.visits > 0) send_for_tile(0, 0);
  const LaneRows rows = lane_rows(tile.first + 16 * warp, tile.last);
  Fragment<d> dK, dV;
  load_fragment<d>(dK, at.dK, rows, step.add_to_dK_dV);
  load_fragment<d>(dV, at.dV, rows, step.add_to_dK_dV);

  for (int visit = 0, stage = 0; visit < tile.visits; ++visit, stage ^= 1) {
    wait_for_copies<0>();
    __syncthreads();  // this tile has arrived, and nobody uses the other any more
    if (visit + 1 < tile.visits) send_for_tile(visit + 1, stage ^ 1);
    Factors<T, passing, d>& passes = shared.passes[stage];
    Fragment<passing> S, dP;  // transposed
    multiply_scores<passing>(S, shared.stays.of_S, 16 * warp, passes.of_S);
    multiply_scores<passing>(dP, shared.stays.of_dP, 16 * warp, passes.of_dP);
    if (!tile.queries.all_see(tile.base(visit), passing))
      mask_scores<passing>(S, rows, keys_see_queries(step.reach, at), tile.base(visit));
    const auto terms_of = [&](int n, int e) { return shared.terms[stage][8 * n + 2 * rows.t + e % 2]; };
    probabilities<passing>(S, step.scale, terms_of);
    differentiate<passing>(dP, S, step.scale, terms_of);

    uint32_t P[passing / 16][4], dS[passing / 16][4];
    left_factors<T, passing>(P, S);
    left_factors<T, passing>(dS, dP);
    multiply_values<d>(dV, P, passes.of_dP);
    multiply_values<d>(dK, dS, passes.of_S);
  }
  wait_for_copies<0>();
  store_fragment<d>(dK, at.dK, rows);
  store_fragment<d>(dV, at.dV, rows);
}

}  // namespace

std::string two_kernels_refuses(const BackwardStep& step) {
  if (step.element == Element::f32) return "the tensor cores multiply bf16 and f16, not f32";
  if (step.d != step.dv || (step.d != 64 && step.d != 128))
    return "its tiles have 64 or 128 columns, in Q, K and V alike";
  if (!(step.scale > 0))
    return "it hides a score, as minus infinity, before it scales it, so the scale must be positive";
  return {};
}

void launch_two_kernels(const BackwardStep& step, cudaStream_t stream) {
  with_16_bit_tiles(step, [&]<class T, int d>() {
    launch(two_kernels_dQ<T, d>, query_grid(step, tile_rows), threads, sizeof(Shared<T, passing_keys, d>),
           stream, step);
    launch(two_kernels_dK_dV<T, d>, key_grid(step, tile_rows), threads,
           sizeof(Shared<T, passing_queries<d>, d>), stream, step);
  });
}

}  // namespace ringattn::gpu
