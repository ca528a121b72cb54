#include "reference/blockwise/block_forward.h"

namespace ringattn {

template <class T>
void attend(const BlockPair<T>& pair, Index b, Index h, SoftmaxState<T>& state, ScoreTile<T>& scratch) {
  const auto V = pair.V.head(b, pair.kv_head(h));
  for (const TilePair& tiles : pair.plan_of(b).tile_pairs) {
    const Scores<T> S = score_tile(pair, tiles, b, h, scratch);
    state.absorb(b, h, tiles.queries.begin, S, visible_keys_in_tile(pair, tiles, b),
                 V.middleRows(tiles.keys.begin, tiles.keys.size()));
  }
}

template void attend(const BlockPair<float>&, Index, Index, SoftmaxState<float>&, ScoreTile<float>&);
template void attend(const BlockPair<double>&, Index, Index, SoftmaxState<double>&, ScoreTile<double>&);

}  // namespace ringattn
