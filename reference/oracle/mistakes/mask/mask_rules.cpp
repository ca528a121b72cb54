#include "reference/oracle/mistakes/mask/mask_rules.h"

#include <algorithm>

namespace ringattn {

namespace {

// (B, S) for each row, the range of positions in its tile
std::vector<PositionRange> positions_of_tiles(const RowPositions& positions, Index B,
                                              const RowSharding& sharding, Index tile) {
  std::vector<PositionRange> ranges;
  for (Index b = 0; b < B; ++b) {
    const std::size_t sequence = ranges.size();
    ranges.resize(sequence + static_cast<std::size_t>(positions.length()));
    for (int device = 0; device < sharding.devices(); ++device) {
      const std::vector<Index>& rows = sharding.rows_of(device);
      const std::size_t size = tile == 0 ? rows.size() : static_cast<std::size_t>(tile);
      for (std::size_t begin = 0; begin < rows.size(); begin += size) {
        const std::size_t end = std::min(begin + size, rows.size());
        PositionRange range;
        for (std::size_t n = begin; n < end; ++n) {
          const std::int64_t position = positions.of(b)[static_cast<std::size_t>(rows[n])].position;
          range = {std::min(range.first, position), std::max(range.last, position)};
        }
        for (std::size_t n = begin; n < end; ++n)
          ranges[sequence + static_cast<std::size_t>(rows[n])] = range;
      }
    }
  }
  return ranges;
}

}  // namespace

TilePositions::TilePositions(const Simulation& sim, Index q_tile, Index k_tile)
    : Sq_(sim.problem().Q.shape.S),
      Skv_(sim.problem().K.shape.S),
      queries_(positions_of_tiles(sim.problem().q_positions, sim.problem().Q.shape.B, sim.sharding().queries,
                                  q_tile)),
      keys_(positions_of_tiles(sim.problem().kv_positions, sim.problem().Q.shape.B, sim.sharding().keys,
                               k_tile)) {}

Variants tile_sizes(const Simulation& sim, const std::string& name, std::initializer_list<Index> sizes) {
  Variants variants;
  for (const Index size : sizes)
    if (size < largest_block(sim))
      variants.push_back(Variant({name, size, size == 0 ? "the whole block" : std::to_string(size)}));
  return variants;
}

Variants local_alignments(const Simulation& sim) {
  bool equal = true;
  for (int device = 0; device < sim.devices(); ++device)
    equal =
        equal && queries_of(sim, device) == queries_of(sim, 0) && keys_of(sim, device) == queries_of(sim, 0);
  return equal ? each_named("alignment", {"top-left"})
               : each_named("alignment", {"top-left", "bottom-right"});
}

bool has_right_side(const Simulation& sim) {
  return !sim.causal() && sim.problem().scoring.mask.window_right >= 0;
}

bool has_window(const Simulation& sim) {
  return sim.problem().scoring.mask.window_left >= 0 || has_right_side(sim);
}

bool has_documents(const Simulation& sim) {
  const Problem<double>& problem = sim.problem();
  if (problem.q_positions.length() == 0) return false;
  const std::int64_t first = problem.q_positions.of(0)[0].segment;
  const auto other = [first](const RowPosition& row_position) { return row_position.segment != first; };
  for (Index b = 0; b < problem.Q.shape.B; ++b) {
    const auto queries = problem.q_positions.of(b), keys = problem.kv_positions.of(b);
    if (std::any_of(queries.begin(), queries.end(), other) || std::any_of(keys.begin(), keys.end(), other))
      return true;
  }
  return false;
}

}  // namespace ringattn
