#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "reference/definition/layout.h"
#include "reference/definition/mask.h"

namespace ringattn {

// The work of attention between a block of queries and a block of keys, as a list of tiles.
//
// A run is a stretch of rows of one document whose positions grow by equal steps: a contiguous or a striped shard is
// one run, a zigzag shard is two. Tiles never cross the boundary of a run. Within a run the keys visible to a query are
// contiguous, so the mask of a tile is one range of keys per query, and both bounds of the range grow with the query.
// The first and the last query of a tile therefore decide whether it can be skipped. Causal, 4 x 4 tiles, x = visible:
//
//            keys
//   queries  x x x x | x . . .        left tile:   full, no mask is needed
//            x x x x | x x . .        right tile:  partial, one range of keys per query
//            x x x x | x x x .        a tile without any x is not in the plan
//            x x x x | x x x x

// How many pairs of a block of queries and a block of keys are visible: all, some or none.
enum class MaskClass { full, partial, skipped };

std::string_view name(MaskClass mask_class);  // "full", "partial" or "skipped"

// The amount of work in a block.
struct BlockWork {
  MaskClass mask_class = MaskClass::skipped;
  Index live_pairs = 0;  // visible pairs of query and key, over all sequences and query heads
};

// The largest tiles: the scores of a pair of tiles, 512 KiB in float, fit into the second-level cache of a core.
constexpr Index query_tile_rows = 256, key_tile_rows = 512;

// Splits rows into tiles of at most _largest_ rows that do not cross the boundary of a run
std::vector<RowRange> tiles_of(std::span<const RowPosition> positions, Index largest);

// The keys that are visible to a query: the range [begin, end) of indices into _keys_, which must be one run
RowRange visible_keys(const RowPosition& query, std::span<const RowPosition> keys, const Mask& mask);

// A tile of queries, and a tile of keys narrowed to those that are visible to at least one of the queries.
struct TilePair {
  RowRange queries, keys;
  bool full = false;  // every key is visible to every query
};

// The tiles of a block of one sequence, and their sums.
struct BlockPlan {
  std::vector<TilePair> tile_pairs;  // in the order in which they are absorbed
  MaskClass mask_class = MaskClass::skipped;
  Index live_pairs = 0;  // visible pairs of query and key
};

BlockPlan plan_block(std::span<const RowPosition> queries, std::span<const RowPosition> keys,
                     const Mask& mask);

}  // namespace ringattn
