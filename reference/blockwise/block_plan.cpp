#include "reference/blockwise/block_plan.h"

#include <algorithm>

namespace ringattn {

std::string_view name(MaskClass mask_class) {
  switch (mask_class) {
    case MaskClass::full:
      return "full";
    case MaskClass::partial:
      return "partial";
    case MaskClass::skipped:
      break;
  }
  return "skipped";
}

namespace {

// The positions of the rows of a tile
std::span<const RowPosition> rows(std::span<const RowPosition> positions, RowRange tile) {
  return positions.subspan(static_cast<std::size_t>(tile.begin), static_cast<std::size_t>(tile.size()));
}

// Narrows a pair of tiles to the keys that are visible to some query; returns the number of visible pairs
Index narrow(TilePair& pair, std::span<const RowPosition> queries, std::span<const RowPosition> keys,
             const Mask& mask) {
  // Both bounds grow with the query, so the ranges of the first and the last query enclose all others
  const RowRange first = visible_keys(queries.front(), keys, mask),
                 last = visible_keys(queries.back(), keys, mask);
  if (last.end <= first.begin) return 0;
  pair.keys = {pair.keys.begin + first.begin, pair.keys.begin + last.end};
  pair.full = first.end == last.end && first.begin == last.begin;
  if (pair.full) return pair.queries.size() * pair.keys.size();

  // Partial: count the visible keys of each query
  Index live_pairs = 0;
  for (const RowPosition& query : queries) live_pairs += visible_keys(query, keys, mask).size();
  return live_pairs;
}

}  // namespace

std::vector<RowRange> tiles_of(std::span<const RowPosition> positions, Index largest) {
  std::vector<RowRange> tiles;
  for (std::size_t begin = 0; begin < positions.size();) {
    // Split one run into tiles
    const std::size_t end = end_of_run(positions, begin);
    for (auto row = static_cast<Index>(begin); row < static_cast<Index>(end); row += largest)
      tiles.push_back({row, std::min(row + largest, static_cast<Index>(end))});
    begin = end;
  }
  return tiles;
}

RowRange visible_keys(const RowPosition& query, std::span<const RowPosition> keys, const Mask& mask) {
  if (keys.empty() || keys.front().segment != query.segment) return {};

  // Positions ascend within a run: find the ends of [first_visible, last_visible] by binary search
  const auto before = [](const RowPosition& key, std::int64_t position) { return key.position < position; };
  const auto after = [](std::int64_t position, const RowPosition& key) { return position < key.position; };
  const auto first = std::lower_bound(keys.begin(), keys.end(), mask.first_visible(query.position), before);
  const auto last = std::upper_bound(first, keys.end(), mask.last_visible(query.position), after);
  return {first - keys.begin(), last - keys.begin()};
}

BlockPlan plan_block(std::span<const RowPosition> queries, std::span<const RowPosition> keys,
                     const Mask& mask) {
  // Pair every tile of queries with every tile of keys; skip the pairs without visible keys
  BlockPlan plan;
  const std::vector<RowRange> key_tiles = tiles_of(keys, key_tile_rows);
  for (const RowRange& query_tile : tiles_of(queries, query_tile_rows))
    for (const RowRange& key_tile : key_tiles) {
      TilePair pair{query_tile, key_tile};
      const Index live_pairs = narrow(pair, rows(queries, query_tile), rows(keys, key_tile), mask);
      if (live_pairs == 0) continue;
      plan.live_pairs += live_pairs;
      plan.tile_pairs.push_back(pair);
    }

  // Classify the block by its number of visible pairs
  const auto all_pairs = static_cast<Index>(queries.size() * keys.size());
  if (plan.live_pairs > 0)
    plan.mask_class = plan.live_pairs == all_pairs ? MaskClass::full : MaskClass::partial;
  return plan;
}

}  // namespace ringattn
