#pragma once

#include <functional>

#include "reference/oracle/mistakes/blocks.h"

namespace ringattn {

// A block joins what was merged before: out = kept out + added out_b. Right:
//   lse' = log(exp(lse) + exp(lse_b))   kept = exp(lse - lse')   added = exp(lse_b - lse')
struct Join {
  double kept, added, lse;
};

// Of lse, lse_b and the number of blocks merged before
using JoinRule = std::function<Join(double, double, Index)>;

Join correct_join(double lse, double lse_b, Index merged);

struct MergeRule {
  JoinRule join = correct_join;
  std::function<double(const RowWeights&)> lse_of_block = [](const RowWeights& block) { return block.lse; };
};

// The blocks of every row merged one after the other in the order of the steps, by the rule. Parameters of
// the variant, all of which may be left out:
//   tile           what is merged: pieces of so many keys (0: whole ring blocks)
//   wrong          the whole chain (0), or the tiles of a block only, and then the blocks rightly (1)
//   blocks unseen  of which the row sees nothing are merged as (0, -infinity) (0), or skipped (1)
//   start          from the first block, from (0, -infinity), from (0, 0)
AttentionOutput<double> merged_with(const MergeRule& rule, const Simulation& sim, const Variant& variant);

enum Start : Index { from_the_first_block, from_nothing, from_zeros };

// Ring blocks, or the tiles that a kernel shares out and merges at its end
Variants pieces(const Simulation& sim);

// With blocks unseen, where there may be any
Variants pieces_and_unseen(const Simulation& sim);

// The two starts that a right merge may have
Variants both_starts();

// All of them
Variants pieces_unseen_and_start(const Simulation& sim);

}  // namespace ringattn
