#include "reference/oracle/examine/fit/block_relation.h"

#include <functional>
#include <set>
#include <utility>

namespace ringattn {

BlockRelation relation_of(const std::vector<BlockValue>& pairs, const std::vector<BlockValue>& valid,
                          Index devices) {
  if (pairs.size() < 2 && valid.size() > 1) return {};
  std::set<std::pair<Index, Index>> in;
  for (const BlockValue& pair : pairs) in.emplace(pair.device, pair.block);
  const auto holds = [&](const std::function<bool(Index, Index)>& related) {
    std::size_t hits = 0;
    for (const BlockValue& pair : valid) {
      const bool wanted = related(pair.device, pair.block);
      if (wanted != in.contains({pair.device, pair.block})) return false;
      hits += wanted;
    }
    return hits == in.size();
  };

  if (holds([](Index r, Index o) { return o == r; })) return {BlockRelation::own, 0};
  for (Index t = 1; t < devices; ++t)
    if (holds([&](Index r, Index o) { return (r - o + devices) % devices == t; }))
      return {BlockRelation::step, t};
  if (holds([](Index r, Index o) { return o < r; })) return {BlockRelation::lower, 0};
  if (holds([](Index r, Index o) { return o > r; })) return {BlockRelation::higher, 0};
  for (Index n = 0; n < devices; ++n)
    if (holds([&](Index, Index o) { return o == n; })) return {BlockRelation::block, n};
  if (holds([](Index r, Index o) { return o <= r; })) return {BlockRelation::own_and_lower, 0};
  if (holds([](Index r, Index o) { return o >= r; })) return {BlockRelation::own_and_higher, 0};
  if (holds([](Index r, Index o) { return o != r; })) return {BlockRelation::all_but_own, 0};
  return {};
}

std::vector<BlockRows> ring_blocks(const Sharding& sharding) {
  std::vector<BlockRows> blocks;
  for (int device = 0; device < sharding.devices(); ++device)
    for (int block = 0; block < sharding.devices(); ++block)
      blocks.push_back({device, block, sharding.queries.rows_of(device), sharding.keys.rows_of(block)});
  return blocks;
}

std::vector<BlockRows> tile_blocks(Index tile, const std::vector<std::vector<Index>>& rows,
                                   const std::vector<std::vector<Index>>& keys) {
  const auto tiles_of = [tile](const std::vector<std::vector<Index>>& lists) {
    std::vector<std::vector<Index>> tiles;
    for (const std::vector<Index>& list : lists)
      for (std::size_t n = 0; n < list.size(); ++n) {
        if (n % static_cast<std::size_t>(tile) == 0) tiles.emplace_back();
        tiles.back().push_back(list[n]);
      }
    return tiles;
  };
  std::vector<BlockRows> blocks;
  const auto row_tiles = tiles_of(rows), key_tiles = tiles_of(keys);
  for (std::size_t r = 0; r < row_tiles.size(); ++r)
    for (std::size_t o = 0; o < key_tiles.size(); ++o)
      blocks.push_back({static_cast<Index>(r), static_cast<Index>(o), row_tiles[r], key_tiles[o]});
  return blocks;
}

}  // namespace ringattn
