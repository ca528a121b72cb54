#pragma once

#include "gpu/kernels/pipeline.cuh"
#include "gpu/kernels/warp_rows.cuh"

namespace ringattn::gpu {

// The block of threads of rungs 6 and 7: two warpgroups that consume, and one that fetches.
constexpr int consumers = 2, threads = 128 * (1 + consumers);
constexpr int query_rows = 64 * consumers, key_rows = 128;
constexpr int fetching_registers = 40, consuming_registers = 232;  // 128 x 40 + 256 x 232 < 65536

// Two warpgroups take turns with the tensor cores: while one multiplies, the other computes its softmax
// (FlashAttention-3, arXiv:2407.08608, section 3.1, "pingpong scheduling"). Each waits at a barrier of its
// own.
struct Turns {
  int warpgroup;  // 0 begins

  __device__ void wait() const { wait_for_turn(1 + warpgroup, 256); }
  __device__ void pass() const { give_turn(2 - warpgroup, 256); }

  // Before all tiles, and after all: the first turn is given, and the last one taken, by nobody's product
  __device__ void begin() const {
    if (warpgroup == 1) pass();
  }
  __device__ void end() const {
    if (warpgroup == 0) wait();
  }
};

// A warpgroup's 64 queries meet the keys of a tile. The scores of a tile are multiplied before the values of
// the tile before it, so that its softmax can go on beside their product (FlashAttention-3, Algorithm 2)
template <class Store, int d = Store::d>
__device__ void absorb(WarpRows<d>& rows, Store& store, Places<Store>& places, const AttentionStep& step,
                       const QueryTile& tile, const Turns& turns) {
  using T = typename Store::Element;
  const auto& Q = store.Q[places.Q.stage];
  const int first_query = 64 * turns.warpgroup;
  const RowRange keys = tile.keys.any;
  if (keys.begin >= keys.end) return;

  const auto soften_scores = [&](Fragment<key_rows>& S, int base) {
    if (!tile.keys.all_see(base, key_rows))
      mask_scores<key_rows>(S, rows, queries_see_keys(step.reach, tile.head_of<T>(step)), base);
    return soften<key_rows>(S, rows, step.scale * log2_e);
  };
  Fragment<key_rows> S;
  uint32_t P[key_rows / 16][4];

  // The first tile has none before it
  places.K.wait_until_filled(store.K_flow);
  turns.wait();
  begin_products();
  begin_scores<T, key_rows>(S, Q, first_query, store.K[places.K.stage]);
  turns.pass();
  wait_for_products<0>();
  places.K.leave(store.K_flow);
  shrink<d>(rows.O, soften_scores(S, keys.begin));
  left_factors<T, key_rows>(P, S);
  places.V.wait_until_filled(store.V_flow);

  for (int base = keys.begin + key_rows; base < keys.end; base += key_rows) {
    places.K.wait_until_filled(store.K_flow);
    turns.wait();
    begin_products();
    begin_scores<T, key_rows>(S, Q, first_query, store.K[places.K.stage]);
    begin_values<T, key_rows>(rows.O, P, store.V[places.V.stage]);
    turns.pass();

    wait_for_products<1>();  // the scores are there, the values on their way
    places.K.leave(store.K_flow);
    const Alpha alpha = soften_scores(S, base);
    // Waited for here, because the assembler moves no arithmetic across this wait, and the softmax would else
    // come after the next one, with nothing beside it
    places.V.next().wait_until_filled(store.V_flow);
    wait_for_products<0>();
    places.V.leave(store.V_flow);
    shrink<d>(rows.O, alpha);
    left_factors<T, key_rows>(P, S);
  }

  begin_products();
  begin_values<T, key_rows>(rows.O, P, store.V[places.V.stage]);
  wait_for_products<0>();
  places.V.leave(store.V_flow);
}

// The same from the state before this step to the state after it
template <class Store>
__device__ void consume(Store& store, Places<Store>& places, const AttentionStep& step, const QueryTile& tile,
                        const Turns& turns) {
  using T = typename Store::Element;
  constexpr int d = Store::d;
  const int first = tile.first + threadIdx.x / 32 * 16;
  WarpRows<d> rows = load_rows<T, d>(step, tile.head_of<T>(step), first, tile.last);
  absorb(rows, store, places, step, tile, turns);
  store_rows(step, tile.head_of<T>(step), rows);
  places.Q.leave(store.Q_flow);
}

}  // namespace ringattn::gpu
