#pragma once

#include "reference/blockwise/block_pair.h"

namespace ringattn {

// The scores of a pair of tiles, (query rows, keys).
template <class T>
using Scores = Eigen::Map<Matrix<T>, Eigen::Aligned64, Eigen::OuterStride<>>;

// Scratch for one tile at a time. Each row begins at a multiple of 64 bytes: Eigen sums and exponentiates the
// elements before the first aligned one in another way than the rest, so only then do equal scores give equal
// bits.
template <class T>
class ScoreTile {
 public:
  Scores<T> of(Index rows, Index columns) {
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

// S = scale Q K^T, soft-capped, of one pair of tiles of one head; hidden keys have their scores too
template <class T>
Scores<T> score_tile(const BlockPair<T>& pair, const TilePair& tiles, Index b, Index h,
                     ScoreTile<T>& scratch) {
  const auto Q = pair.Q.head(b, h).middleRows(tiles.queries.begin, tiles.queries.size());
  const auto K = pair.K.head(b, pair.kv_head(h)).middleRows(tiles.keys.begin, tiles.keys.size());
  Scores<T> S = scratch.of(Q.rows(), K.rows());
  S.noalias() = static_cast<T>(pair.scoring.scale(Q.cols())) * Q * K.transpose();
  if (const T cap = static_cast<T>(pair.scoring.softcap); cap > 0) S.array() = cap * (S.array() / cap).tanh();
  return S;
}

// The keys of a tile that each of its queries sees, counted from the begin of the tile
template <class T>
std::vector<RowRange> visible_keys_in_tile(const BlockPair<T>& pair, const TilePair& tiles, Index b) {
  const auto rows = static_cast<std::size_t>(tiles.queries.size()),
             columns = static_cast<std::size_t>(tiles.keys.size());
  std::vector<RowRange> key_ranges(rows, RowRange{0, tiles.keys.size()});
  if (tiles.full) return key_ranges;
  const auto queries = pair.q_positions.of(b).subspan(static_cast<std::size_t>(tiles.queries.begin), rows);
  const auto keys = pair.kv_positions.of(b).subspan(static_cast<std::size_t>(tiles.keys.begin), columns);
  for (std::size_t i = 0; i < rows; ++i) key_ranges[i] = visible_keys(queries[i], keys, pair.scoring.mask);
  return key_ranges;
}

}  // namespace ringattn
