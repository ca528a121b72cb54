#include "reference/blockwise/block_forward.h"

#include "reference/definition/parallel/cancellation.h"

namespace ringattn {

// Blockwise attention over one block, as in the inner loop of FlashAttention-2 (arXiv:2307.08691, Algorithm 1): the
// scores of a pair of tiles live in scratch memory and are absorbed at once; S is never stored as a whole.
template <class T>
void attend(const BlockPair<T>& pair, Index b, Index h, SoftmaxState<T>& state, ScoreTile<T>& scratch) {
  const auto V = pair.V.head(b, pair.kv_head(h));
  for (const TilePair& tiles : pair.plan_of(b).tile_pairs) {
    throw_if_cancelled();
    Scores<T> S = score_tile(pair, tiles, b, h, scratch);
    for (Index i = 0; i < S.rows(); ++i) subtract_distances(pair, tiles, b, h, i, S);
    state.absorb(b, h, tiles.queries.begin, S, visible_keys_in_tile(pair, tiles, b),
                 V.middleRows(tiles.keys.begin, tiles.keys.size()));
  }
}

template void attend(const BlockPair<float>&, Index, Index, SoftmaxState<float>&, ScoreTile<float>&);
template void attend(const BlockPair<double>&, Index, Index, SoftmaxState<double>&, ScoreTile<double>&);

}  // namespace ringattn
