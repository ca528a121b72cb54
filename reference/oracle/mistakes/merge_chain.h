#pragma once

#include <functional>

#include "reference/oracle/mistakes/blocks.h"

namespace ringattn {

// The weights of one merge, out = kept out + added out_b, and the merged lse. The correct rule is
//   lse_new = log(exp(lse) + exp(lse_b))   kept = exp(lse - lse_new)   added = exp(lse_b - lse_new)
struct Join {
  double kept, added, lse;
};

// Arguments: lse, lse_b and the number of blocks merged so far
using JoinRule = std::function<Join(double, double, Index)>;

Join correct_join(double lse, double lse_b, Index merged);

struct MergeRule {
  JoinRule join = correct_join;
  std::function<double(const RowWeights&)> lse_of_block = [](const RowWeights& block) { return block.lse; };
};

// Merges the blocks of every row in step order by _rule_. Optional parameters of the variant:
//   tile           keys per merged piece; 0: whole ring blocks
//   wrong          0: the rule merges everything; 1: only the tiles of a block, and blocks are merged correctly
//   blocks unseen  fully masked blocks are 0: merged as (0, -infinity), 1: skipped
//   start          value before the first merge: the first block, (0, -infinity) or (0, 0)
AttentionOutput<double> merged_with(const MergeRule& rule, const Simulation& sim, const Variant& variant);

enum Start : Index { from_the_first_block, from_nothing, from_zeros };

// What is merged: ring blocks, or the tiles that a split-K/V kernel merges at its end
Variants pieces(const Simulation& sim);

// The same with `blocks unseen`, if a mask can hide whole blocks
Variants pieces_and_unseen(const Simulation& sim);

// The two start values that are correct for a correct rule
Variants both_starts();

// All of these parameters
Variants pieces_unseen_and_start(const Simulation& sim);

}  // namespace ringattn
