#include "reference/oracle/mistakes/blocks.h"
#include "reference/definition/minus_infinity.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace ringattn {

std::vector<Tiles> tiled_blocks(const Simulation& sim, int device, Index tile, bool right_to_left) {
  std::vector<Tiles> blocks;
  for (int step = 0; step < sim.devices(); ++step) {
    const Sharding& sharding = sim.sharding();
    const Keys& keys = sharding.keys.rows_of(sharding.owner_at(device, step));
    const auto count = static_cast<Index>(keys.size()), size = tile == 0 ? std::max<Index>(1, count) : tile;
    Tiles tiles;
    for (Index begin = 0; begin < count; begin += size)
      tiles.emplace_back(keys.begin() + begin, keys.begin() + std::min(begin + size, count));
    if (tiles.empty()) tiles.emplace_back();  // the block of an empty shard
    if (right_to_left) std::reverse(tiles.begin(), tiles.end());
    blocks.push_back(std::move(tiles));
  }
  return blocks;
}

std::vector<std::vector<Tiles>> tiled_blocks_of_all(const Simulation& sim, Index tile, bool right_to_left) {
  std::vector<std::vector<Tiles>> of_all;
  for (int device = 0; device < sim.devices(); ++device)
    of_all.push_back(tiled_blocks(sim, device, tile, right_to_left));
  return of_all;
}

RowWeights attend(const QueryRow& row, const Keys& keys, Index Skv) {
  RowWeights block{Vector<double>::Zero(Skv), minus_infinity<double>};
  double m = minus_infinity<double>, l = 0;
  for (const Index j : keys)
    if (row.visible[j]) m = std::max(m, row.S[j]);
  if (m == minus_infinity<double>) return block;
  for (const Index j : keys)
    if (row.visible[j]) l += block.weight(j) = std::exp(row.S[j] - m);
  block.weight /= l;
  block.lse = m + std::log(l);
  return block;
}

double log_of_sum(double a, double b) {
  const double larger = std::max(a, b);
  return larger == minus_infinity<double> ? minus_infinity<double>
                                          : larger + std::log(std::exp(a - larger) + std::exp(b - larger));
}

void correct_merge(RowWeights& merged, const RowWeights& block) {
  const double lse = log_of_sum(merged.lse, block.lse);
  if (lse == minus_infinity<double>) return;
  merged.weight = std::exp(merged.lse - lse) * merged.weight + std::exp(block.lse - lse) * block.weight;
  merged.lse = lse;
}

bool has_mask(const Simulation& sim) {
  const Problem<double>& problem = sim.problem();
  const Mask& mask = problem.scoring.mask;
  if (mask.causal || mask.window_left >= 0 || mask.window_right >= 0) return true;
  std::optional<std::int64_t> segment;
  for (const RowPositions* positions : {&problem.q_positions, &problem.kv_positions})
    for (Index b = 0; b < positions->sequences(); ++b)
      for (const RowPosition& row_position : positions->of(b))
        if (row_position.segment != segment.value_or(row_position.segment))
          return true;
        else
          segment = row_position.segment;
  return false;
}

Index largest_block(const Simulation& sim) {
  return largest_shard(sim.sharding().layout, sim.devices(), sim.problem().K.shape.S);
}

Variants smaller_tiles(const Simulation& sim, std::initializer_list<Index> sizes) {
  Variants variants;
  for (const Index size : sizes)
    if (size < largest_block(sim)) variants = concatenate({variants, each_of("tile", {size})});
  return variants;
}

Variants concatenate(std::initializer_list<Variants> lists) {
  Variants all;
  for (const Variants& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

Index given(const Variant& variant, std::string_view name, Index otherwise) {
  for (const Parameter& parameter : variant.parameters())
    if (parameter.name == name) return parameter.value;
  return otherwise;
}

}  // namespace ringattn
