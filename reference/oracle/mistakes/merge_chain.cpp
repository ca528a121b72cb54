#include "reference/oracle/mistakes/merge_chain.h"
#include "reference/definition/minus_infinity.h"

#include <cmath>

namespace ringattn {

Join correct_join(double lse, double lse_b, Index) {
  const double lse_new = log_of_sum(lse, lse_b);
  if (lse_new == minus_infinity<double>) return {1, 1, lse_new};
  return {std::exp(lse - lse_new), std::exp(lse_b - lse_new), lse_new};
}

namespace {

// The running result of blocks merged in sequence
struct Chain {
  const MergeRule& rule;
  Index start;
  bool skips_unseen;
  RowWeights sum;
  Index merged = 0;

  void add(const RowWeights& block) {
    if (skips_unseen && block.lse == minus_infinity<double>) return;
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

AttentionOutput<double> merged_with(const MergeRule& rule, const Simulation& sim, const Variant& variant) {
  const auto blocks_of = tiled_blocks_of_all(sim, given(variant, "tile", 0));
  const bool within_blocks = given(variant, "wrong", 0) == 1, skips = given(variant, "blocks unseen", 0) == 1;
  const Index start = given(variant, "start", from_the_first_block);
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    const RowWeights first{result.weight, start == from_zeros ? 0 : minus_infinity<double>};
    Chain whole{rule, start, skips, first};
    for (const Tiles& block : blocks_of[static_cast<std::size_t>(row.device)]) {
      Chain of_block{rule, start, skips, first};
      Chain& chain = within_blocks ? of_block : whole;
      for (const Keys& tile : block) chain.add(attend(row, tile, result.weight.size()));
      if (within_blocks) correct_merge(result, of_block.sum);
    }
    if (!within_blocks) result = whole.sum;
  });
}

Variants pieces(const Simulation& sim) {
  const Variants where = sim.devices() > 1 ? each_named("wrong", {"the whole chain", "within blocks only"})
                                           : Variants{Variant({"wrong", 0, "the whole chain"})};
  const Variants tiles = smaller_tiles(sim, {64, 128}) * where;
  return sim.devices() > 1 ? concatenate({{Variant({"tile", 0, "the whole ring block"})}, tiles}) : tiles;
}

Variants pieces_and_unseen(const Simulation& sim) {
  return has_mask(sim) ? pieces(sim) * each_named("blocks unseen", {"merged", "skipped"}) : pieces(sim);
}

Variants both_starts() {
  return {Variant({"start", from_the_first_block, "the first block"}),
          Variant({"start", from_nothing, "(0, -inf)"})};
}

Variants pieces_unseen_and_start(const Simulation& sim) { return pieces_and_unseen(sim) * both_starts(); }

}  // namespace ringattn
