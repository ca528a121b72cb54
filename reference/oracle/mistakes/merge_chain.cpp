#include "reference/oracle/mistakes/merge_chain.h"

#include <cmath>

namespace ringattn {

Join join_rightly(double lse, double lse_b, Index) {
  const double lse_new = log_of_sum(lse, lse_b);
  if (lse_new == nothing_seen) return {1, 1, lse_new};
  return {std::exp(lse - lse_new), std::exp(lse_b - lse_new), lse_new};
}

namespace {

// Blocks merged one after the other
struct Chain {
  const MergeRule& rule;
  Index start;
  bool skips_unseen;
  RowWeights sum;
  Index merged = 0;

  void add(const RowWeights& block) {
    if (skips_unseen && block.lse == nothing_seen) return;
    const double lse_b = rule.lse_of_block(block);
    if (merged == 0 && start == from_the_first_block) {
      sum = {block.weight, lse_b};
    } else {
      const Join join = rule.join(sum.lse, lse_b, merged);
      sum = {join.kept * sum.weight + join.added * block.weight, join.lse};
    }
    ++merged;
  }
};

}  // namespace

Attended<double> merged_with(const MergeRule& rule, const Simulation& sim, const Reading& reading) {
  const auto blocks_of = tiled_blocks_of_all(sim, given(reading, "tile", 0));
  const bool within_blocks = given(reading, "wrong", 0) == 1, skips = given(reading, "blocks unseen", 0) == 1;
  const Index start = given(reading, "start", from_the_first_block);
  return sim.run([&](const Row& row, RowWeights& result) {
    const RowWeights first{result.weight, start == from_zeros ? 0 : nothing_seen};
    Chain whole{rule, start, skips, first};
    for (const Tiles& block : blocks_of[static_cast<std::size_t>(row.device)]) {
      Chain of_block{rule, start, skips, first};
      Chain& chain = within_blocks ? of_block : whole;
      for (const Keys& tile : block) chain.add(attend(row, tile, result.weight.size()));
      if (within_blocks) merge_rightly(result, of_block.sum);
    }
    if (!within_blocks) result = whole.sum;
  });
}

Readings pieces(const Simulation& sim) {
  const Readings where = sim.devices() > 1 ? each_named("wrong", {"the whole chain", "within blocks only"})
                                           : Readings{Reading({"wrong", 0, "the whole chain"})};
  const Readings tiles = smaller_tiles(sim, {64, 128}) * where;
  return sim.devices() > 1 ? either({Reading({"tile", 0, "the whole ring block"})}, tiles) : tiles;
}

Readings pieces_and_unseen(const Simulation& sim) {
  return has_mask(sim) ? pieces(sim) * each_named("blocks unseen", {"merged", "skipped"}) : pieces(sim);
}

Readings both_starts() {
  return {Reading({"start", from_the_first_block, "the first block"}),
          Reading({"start", from_nothing, "(0, -inf)"})};
}

Readings pieces_unseen_and_start(const Simulation& sim) { return pieces_and_unseen(sim) * both_starts(); }

}  // namespace ringattn
