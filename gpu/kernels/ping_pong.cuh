#pragma once

#include "gpu/tiles/pipeline.cuh"
#include "gpu/tiles/warp_rows.cuh"

namespace ringattn::gpu {

// The thread block of rungs 6 and 7: two consumer warpgroups and one producer.
constexpr int consumers = 2, threads = 128 * (1 + consumers);
constexpr int query_rows = 64 * consumers, key_rows = 128;
constexpr int producer_registers = 40, consumer_registers = 232;  // 128 x 40 + 256 x 232 < 65536

// Two warpgroups take turns on the tensor cores: while one multiplies, the other computes its softmax
// (FlashAttention-3, arXiv:2407.08608, section 3.1, "pingpong scheduling"). Each waits at its own named barrier.
struct PingPong {
  int warpgroup;  // 0 has the first turn

  __device__ void wait() const { named_barrier_sync(1 + warpgroup, 256); }
  __device__ void pass() const { named_barrier_arrive(2 - warpgroup, 256); }

  // Before all tiles warpgroup 1 passes the first turn to warpgroup 0; after all tiles warpgroup 0 takes the turn that
  // is left over, so that the barriers are balanced
  __device__ void begin() const {
    if (warpgroup == 1) pass();
  }
  __device__ void end() const {
    if (warpgroup == 0) wait();
  }
};

// The 64 queries of a warpgroup attend to all keys of _tile_. The scores of tile j + 1 are issued before the values of
// tile j, so that softmax and products overlap (FlashAttention-3, Algorithm 2):
//
//   tensor cores   S 0 │           │ S 1, O += P 0 V 0 │           │ S 2, O += P 1 V 1 │ ...
//   warpgroup          │ softmax 0 │            softmax 1 (as soon as S 1 is done)      │ ...
template <class Shared, int d = Shared::d>
__device__ void absorb(WarpRows<d>& rows, Shared& shared, PipelineStates<Shared>& states,
                       const AttentionStep& step, const QueryTile& tile, const PingPong& ping_pong) {
  using T = typename Shared::Element;
  const auto& Q = shared.Q[states.Q.stage];
  const int first_query = 64 * ping_pong.warpgroup;
  const RowRange keys = tile.keys.any;
  if (keys.begin >= keys.end) return;

  const auto softmax_scores = [&](Fragment<key_rows>& S, int base) {
    if (!tile.keys.all_visible(base, key_rows))
      mask_scores<key_rows>(S, rows, query_visibility(step.window, tile.head_of<T>(step)), base);
    return online_softmax<key_rows>(S, rows, step.scale * log2_e);
  };
  Fragment<key_rows> S;
  uint32_t P[key_rows / 16][4];

  // First tile: S and its softmax, with no product of values to overlap
  states.K.wait_full(shared.K_pipeline);
  ping_pong.wait();
  wgmma_fence();
  issue_scores<T, key_rows>(S, Q, first_query, shared.K[states.K.stage]);
  ping_pong.pass();
  wgmma_wait<0>();
  states.K.release(shared.K_pipeline);
  rescale<d>(rows.O, softmax_scores(S, keys.begin));
  to_a_operand<T, key_rows>(P, S);
  states.V.wait_full(shared.V_pipeline);

  // Issue S of this tile, then O += P V of the tile before it
  for (int base = keys.begin + key_rows; base < keys.end; base += key_rows) {
    states.K.wait_full(shared.K_pipeline);
    ping_pong.wait();
    wgmma_fence();
    issue_scores<T, key_rows>(S, Q, first_query, shared.K[states.K.stage]);
    issue_values<T, key_rows>(rows.O, P, shared.V[states.V.stage]);
    ping_pong.pass();

    // The softmax of S, while the product of the values continues
    wgmma_wait<1>();
    states.K.release(shared.K_pipeline);
    const Alpha alpha = softmax_scores(S, base);
    // This wait belongs to the next iteration. It is here because the assembler does not move arithmetic across it;
    // without it, the softmax would be moved after wgmma_wait<0>, where nothing overlaps with it
    states.V.next().wait_full(shared.V_pipeline);
    wgmma_wait<0>();
    states.V.release(shared.V_pipeline);
    rescale<d>(rows.O, alpha);
    to_a_operand<T, key_rows>(P, S);
  }

  // Last tile: O += P V
  wgmma_fence();
  issue_values<T, key_rows>(rows.O, P, shared.V[states.V.stage]);
  wgmma_wait<0>();
  states.V.release(shared.V_pipeline);
}

// One tile from the state before this step of the ring to the state after it
template <class Shared>
__device__ void consume(Shared& shared, PipelineStates<Shared>& states, const AttentionStep& step,
                        const QueryTile& tile, const PingPong& ping_pong) {
  using T = typename Shared::Element;
  constexpr int d = Shared::d;
  const int first = tile.first + threadIdx.x / 32 * 16;
  WarpRows<d> rows = load_rows<T, d>(step, tile.head_of<T>(step), first, tile.last);
  absorb(rows, shared, states, step, tile, ping_pong);
  store_rows(step, tile.head_of<T>(step), rows);
  states.Q.release(shared.Q_pipeline);
}

}  // namespace ringattn::gpu
