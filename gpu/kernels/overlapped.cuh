#pragma once

#include "gpu/kernels/pipeline.cuh"
#include "gpu/kernels/warp_rows.cuh"

namespace ringattn::gpu {

// The block of threads of rungs 6 and 7: two warpgroups that consume, and one that fetches.
constexpr int consumers = 2, threads = 128 * (1 + consumers);
constexpr int query_rows = 64 * consumers, key_rows = 128, stages = 2;
constexpr int fetching_registers = 40, consuming_registers = 232;  // 128 x 40 + 256 x 232 < 65536

template <class T, int d>
using Store = TileStore<T, query_rows, key_rows, d, stages>;

// Two warpgroups take turns with the tensor cores: while one multiplies, the other computes its softmax
// (FlashAttention-3, arXiv:2407.08608, section 3.1, "pingpong scheduling"). Each waits at a barrier of its
// own.
struct Turns {
  int warpgroup;  // 0 begins

  __device__ void wait() const { wait_for_turn(1 + warpgroup, 256); }
  // After the last turn of all nobody waits any more
  __device__ void pass(bool last) const {
    if (warpgroup == 0 || !last) give_turn(2 - warpgroup, 256);
  }
  __device__ void begin() const {
    if (warpgroup == 1) give_turn(1, 256);
  }
};

// A warpgroup's 64 queries meet the keys of a tile. The scores of a tile are multiplied before the values of
// the tile before it, so that its softmax can go on beside their product (FlashAttention-3, Algorithm 2)
template <class T, int d>
__device__ void absorb(WarpRows<d>& rows, Store<T, d>& store, Places<stages>& places,
                       const AttentionStep& step, const HeadStep<T>& at, const QueryTile& tile,
                       const Turns& turns) {
  const int first_query = 64 * turns.warpgroup;
  const RowRange keys = tile.keys.any;
  const Sight sight = queries_see_keys(step.reach, at);
  places.Q.wait_until_filled(store.Q_flow);
  if (keys.begin < keys.end) {
    const auto soften_scores = [&](Fragment<key_rows>& S, int base) {
      if (!tile.keys.all_see(base, key_rows)) mask_scores<key_rows>(S, rows, sight, base);
      return soften<key_rows>(S, rows, step.scale * log2_e);
    };
    Fragment<key_rows> S;
    uint32_t P[key_rows / 16][4];

    // The first tile has none before it
    turns.begin();
    places.K.wait_until_filled(store.K_flow);
    turns.wait();
    begin_products();
    begin_scores<T, key_rows>(S, store.Q, first_query, store.K[places.K.stage]);
    turns.pass(keys.begin + key_rows >= keys.end);
    wait_for_products<0>();
    places.K.leave(store.K_flow);
    shrink<d>(rows.O, soften_scores(S, keys.begin));
    left_factors<T, key_rows>(P, S);

    for (int base = keys.begin + key_rows; base < keys.end; base += key_rows) {
      places.K.wait_until_filled(store.K_flow);
      places.V.wait_until_filled(store.V_flow);
      turns.wait();
      begin_products();
      begin_scores<T, key_rows>(S, store.Q, first_query, store.K[places.K.stage]);
      begin_values<T, key_rows>(rows.O, P, store.V[places.V.stage]);
      turns.pass(base + key_rows >= keys.end);

      wait_for_products<1>();  // the scores are there, the values on their way
      places.K.leave(store.K_flow);
      const Alpha alpha = soften_scores(S, base);
      wait_for_products<0>();
      places.V.leave(store.V_flow);
      shrink<d>(rows.O, alpha);
      left_factors<T, key_rows>(P, S);
    }

    places.V.wait_until_filled(store.V_flow);
    begin_products();
    begin_values<T, key_rows>(rows.O, P, store.V[places.V.stage]);
    wait_for_products<0>();
    places.V.leave(store.V_flow);
  }
  places.Q.leave(store.Q_flow);
}

}  // namespace ringattn::gpu
