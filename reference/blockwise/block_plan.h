#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "reference/definition/layout.h"
#include "reference/definition/layout.h"
#include "reference/definition/mask.h"

namespace ringattn {

// What a mask leaves of a block of queries x keys.
enum class MaskClass { full, partial, skipped };

std::string_view name(MaskClass mask_class);  // "full", "partial" or "skipped"

// What attention between a block of queries and a block of keys has to compute.
struct BlockWork {
  MaskClass mask_class = MaskClass::skipped;
  Index live_pairs = 0;  // pairs of query and key that the mask leaves, over all sequences and query heads
};

// Largest tiles: the scores of a pair of tiles stay in a core's second-level cache.
constexpr Index query_tile_rows = 256, key_tile_rows = 512;

// Cuts a block into tiles that never straddle a run. A run is a stretch of one document in which positions
// grow by equal steps: a contiguous shard is one run, a zigzag shard two, a striped shard one. In a run the
// keys that a query sees are neighbours, so a mask is a pair of bounds, and a tile that nobody sees is
// recognised by its corners.
std::vector<RowRange> tiles_of(std::span<const RowPosition> positions, Index largest);

// The keys of the run _keys_ that a query sees: [begin, end), counted from the begin of _keys_
RowRange visible_keys(const RowPosition& query, std::span<const RowPosition> keys, const Mask& mask);

// A tile of queries and the keys that at least one of them sees.
struct TilePair {
  RowRange queries, keys;
  bool full = false;  // every query sees every key
};

// The work that attention between a block of queries and a block of keys consists of.
struct BlockPlan {
  std::vector<TilePair> tile_pairs;  // in the order in which they are absorbed
  MaskClass mask_class = MaskClass::skipped;
  Index live_pairs = 0;  // pairs of query and key that the mask leaves
};

BlockPlan plan_block(std::span<const RowPosition> queries, std::span<const RowPosition> keys, const Mask& mask);

}  // namespace ringattn
