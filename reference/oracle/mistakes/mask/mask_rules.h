#pragma once

#include <cmath>
#include <limits>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/mistake.h"
#include "reference/oracle/mistakes/blocks.h"

namespace ringattn {

// Helpers of the mask mistakes. Nearly all of them are a correct softmax over the wrong set of keys.

// A query, a key and their place on the ring: everything that a mask can depend on.
struct Pair {
  Index b, h, i, j;        // sequence, query head, row of the query, row of the key
  RowPosition q, k;        // their positions and documents
  int device, owner;       // device of the query; owner of the key
  Index q_place, k_place;  // local indices: row index within the device
  double S;                // scaled and soft-capped score
  bool visible;            // under the correct mask
  bool in_reach;           // the same without the causal test: window and documents only

  // Positions from the key to the query; negative if the key comes after the query
  std::int64_t distance() const { return q.position - k.position; }
  bool causal() const { return in_reach && distance() >= 0; }
};

// Calls visit(pair) for every key of a row, in sequence order
template <class Function>
void for_each_key(const Simulation& sim, const QueryRow& row, const Function& visit) {
  const Mask& mask = sim.problem().scoring.mask;
  const Mask window{false, mask.window_left, mask.causal ? -1 : mask.window_right};
  const RowSharding& keys = sim.sharding().keys;
  for (Index j = 0; j < sim.problem().K.shape.S; ++j) {
    const RowPosition& k = sim.key(row.b, j);
    visit(Pair{row.b, row.h, row.i, j, row.query, k, row.device, keys.device_of(j), row.place,
               keys.place_of(j), row.S[j], row.visible[j], visible(row.query, k, window)});
  }
}

// weight = softmax of score(pair) over the keys; a score of -infinity masks the key
template <class Score>
void softmax_of(const Simulation& sim, const QueryRow& row, RowWeights& result, const Score& score) {
  double m = minus_infinity<double>, l = 0;
  for_each_key(sim, row, [&](const Pair& pair) { m = std::max(m, result.weight(pair.j) = score(pair)); });
  for (double& weight : result.weight) {
    weight = weight == minus_infinity<double> ? 0 : std::exp(weight - m);
    l += weight;
  }
  if (m == minus_infinity<double>) return;
  result.weight /= l;
  result.lse = m + std::log(l);
}

template <class Score>
AttentionOutput<double> attend_with_scores(const Simulation& sim, const Score& score) {
  return sim.run([&](const QueryRow& row, RowWeights& result) { softmax_of(sim, row, result, score); });
}

// Attention in which a query attends to exactly the keys for which admits(pair) holds
template <class Admits>
AttentionOutput<double> attend_where(const Simulation& sim, const Admits& admits) {
  return attend_with_scores(sim,
                            [&](const Pair& pair) { return admits(pair) ? pair.S : minus_infinity<double>; });
}

// The number of query rows and of keys of a device
inline Index queries_of(const Simulation& sim, int device) {
  return static_cast<Index>(sim.sharding().queries.rows_of(device).size());
}
inline Index keys_of(const Simulation& sim, int device) {
  return static_cast<Index>(sim.sharding().keys.rows_of(device).size());
}

// ---- Tiles ------------------------------------------------------------------

struct PositionRange {
  std::int64_t first = INT64_MAX, last = INT64_MIN;
};

// The range of positions in every tile of rows of a device; a tile size of 0 means the whole block.
class TilePositions {
 public:
  TilePositions(const Simulation& sim, Index q_tile, Index k_tile);

  const PositionRange& queries(const Pair& pair) const { return queries_[at(pair.b, pair.i, Sq_)]; }
  const PositionRange& keys(const Pair& pair) const { return keys_[at(pair.b, pair.j, Skv_)]; }

  // Whether all keys of the tile come after all queries of the tile, or before them
  bool later(const Pair& pair) const { return keys(pair).first > queries(pair).last; }
  bool earlier(const Pair& pair) const { return keys(pair).last < queries(pair).first; }

  // Whether the mask hides every pair of the two tiles, documents not considered
  bool hidden(const Pair& pair, const Mask& mask) const {
    return keys(pair).first > mask.last_visible(queries(pair).last) ||
           keys(pair).last < mask.first_visible(queries(pair).first);
  }

 private:
  static std::size_t at(Index b, Index row, Index S) { return static_cast<std::size_t>(b * S + row); }

  Index Sq_, Skv_;
  std::vector<PositionRange> queries_, keys_;  // (B, S) for each row, the range of its tile
};

// ---- Variants ---------------------------------------------------------------

// One variant per size that is smaller than the largest block of keys; 0 means the whole block
Variants tile_sizes(const Simulation& sim, const std::string& name, std::initializer_list<Index> sizes);

// The alignments of a causal test on local indices; one if all blocks have the same length
Variants local_alignments(const Simulation& sim);

// Local index of the query minus local index of the key, in the variant's alignment
inline Index local_distance(const Simulation& sim, const Pair& pair, Index bottom_right) {
  const Index offset = bottom_right ? keys_of(sim, pair.owner) - queries_of(sim, pair.device) : 0;
  return pair.q_place + offset - pair.k_place;
}

bool has_window(const Simulation& sim);
bool has_right_side(const Simulation& sim);
bool has_documents(const Simulation& sim);

}  // namespace ringattn
