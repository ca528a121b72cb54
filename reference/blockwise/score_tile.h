#pragma once

#include "reference/blockwise/block_pair.h"
#include "reference/blockwise/kernels/tile_kernels.h"

namespace ringattn {

// The scores of a pair of tiles, (query rows, keys): a view of the memory of a ScoreTile.
template <class T>
using Scores = Eigen::Map<Matrix<T>, Eigen::Aligned64, Eigen::OuterStride<>>;

// Scratch memory for the scores of one tile at a time. Each row starts at a multiple of 64 bytes: Eigen processes the
// elements before the first aligned one by other instructions than the rest. With aligned rows, equal scores give equal
// bits, whatever row of whatever tile they are in.
template <class T>
class ScoreTile {
 public:
  // A matrix (rows, columns) on this memory, with undefined contents; invalidates the previous one
  Scores<T> of(Index rows, Index columns) {
    // Pad the stride to a multiple of 64 bytes, and grow the memory if needed
    constexpr Index step = 64 / sizeof(T);
    const Index stride = (columns + step - 1) / step * step;
    if (static_cast<Index>(scratch_.size()) < rows * stride)
      scratch_.resize(static_cast<std::size_t>(rows * stride));
    return {scratch_.data(), rows, columns, Eigen::OuterStride<>(stride)};
  }
  Index bytes() const { return static_cast<Index>(scratch_.size() * sizeof(T)); }

 private:
  std::vector<T, Eigen::aligned_allocator<T>> scratch_;
};

// The scores of one pair of tiles of query head h: S = softmax_scale Q K^T, then S = c tanh(S / c) with a soft-cap c.
// subtract_distances() applies ALiBi. Hidden keys are not masked yet; visible_keys_in_tile() gives the mask.
template <class T>
Scores<T> score_tile(const BlockPair<T>& pair, const TilePair& tiles, Index b, Index h,
                     ScoreTile<T>& scratch) {
  const auto Q = pair.Q.head(b, h).middleRows(tiles.queries.begin, tiles.queries.size());
  const auto K = pair.K.head(b, pair.kv_head(h)).middleRows(tiles.keys.begin, tiles.keys.size());

  // S = softmax_scale Q K^T   S = c tanh(S / c)
  Scores<T> S = scratch.of(Q.rows(), K.rows());
  multiply(static_cast<T>(pair.scoring.scale(Q.cols())), Q, K.transpose(), S);
  if (const T cap = static_cast<T>(pair.scoring.softcap); cap > 0) S.array() = cap * (S.array() / cap).tanh();
  return S;
}

// ALiBi (arXiv:2108.12409, section 3): S = S - slope |q_position - kv_position| in row i of a pair of tiles
template <class T>
void subtract_distances(const BlockPair<T>& pair, const TilePair& tiles, Index b, Index h, Index i,
                        Scores<T>& S) {
  const T slope = static_cast<T>(pair.scoring.alibi_slope(h));
  if (slope == 0) return;
  const RowPosition& query = pair.q_positions.of(b)[static_cast<std::size_t>(tiles.queries.begin + i)];
  const RowPosition* keys = pair.kv_positions.of(b).data() + tiles.keys.begin;
  for (Index j = 0; j < S.cols(); ++j)
    S(i, j) -= slope * static_cast<T>(distance(query.position, keys[j].position));
}

// For each query row of the tile, the range of keys that are visible to it, relative to the start of the key tile
template <class T>
std::vector<RowRange> visible_keys_in_tile(const BlockPair<T>& pair, const TilePair& tiles, Index b) {
  const auto rows = static_cast<std::size_t>(tiles.queries.size()),
             columns = static_cast<std::size_t>(tiles.keys.size());
  std::vector<RowRange> key_ranges(rows, RowRange{0, tiles.keys.size()});
  if (tiles.full) return key_ranges;  // every key is visible to every query

  const auto queries = pair.q_positions.of(b).subspan(static_cast<std::size_t>(tiles.queries.begin), rows);
  const auto keys = pair.kv_positions.of(b).subspan(static_cast<std::size_t>(tiles.keys.begin), columns);
  for (std::size_t i = 0; i < rows; ++i) key_ranges[i] = visible_keys(queries[i], keys, pair.scoring.mask);
  return key_ranges;
}

}  // namespace ringattn
