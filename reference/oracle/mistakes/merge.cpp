// Mistakes in the weights of a merge of block outputs.

#include <cmath>
#include <numbers>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/merge_chain.h"

namespace ringattn {

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

AttentionOutput<double> base_2_merged_as_e(const Simulation& sim, const Variant& variant) {
  AttentionOutput<double> result = merged_with(
      {.lse_of_block = [](const RowWeights& block) { return block.lse / std::numbers::ln2; }}, sim, variant);
  if (variant["lse"] == 1)
    for (Index n = 0; n < result.lse.size(); ++n) result.lse.data()[n] *= std::numbers::ln2;
  return result;
}

AttentionOutput<double> e_merged_as_base_2(const Simulation& sim, const Variant& variant) {
  constexpr Index as_merged = 0, multiplied_by_ln2 = 1;
  const Index returned = variant["lse"];
  const JoinRule join = [returned](double lse, double lse_b, Index) -> Join {
    const double right = log_of_sum(lse, lse_b),
                 base_2 = log_of_sum(lse * std::numbers::ln2, lse_b * std::numbers::ln2) / std::numbers::ln2;
    const double lse_new = returned == as_merged || returned == multiplied_by_ln2 ? base_2 : right;
    if (lse_new == minus_infinity<double>) return {1, 1, lse_new};
    return {std::exp2(lse - lse_new), std::exp2(lse_b - lse_new), lse_new};
  };
  AttentionOutput<double> result = merged_with({.join = join}, sim, variant);
  if (returned == multiplied_by_ln2)
    for (Index n = 0; n < result.lse.size(); ++n) result.lse.data()[n] *= std::numbers::ln2;
  return result;
}

AttentionOutput<double> lse_added(const Simulation& sim, const Variant& variant) {
  const bool by_sigmoid = variant["weights"] == 1;
  const JoinRule join = [by_sigmoid](double lse, double lse_b, Index) -> Join {
    const double lse_new = lse + lse_b;
    if (by_sigmoid) return {sigmoid(lse - lse_b), sigmoid(lse_b - lse), lse_new};
    return {std::exp(lse - lse_new), std::exp(lse_b - lse_new), lse_new};
  };
  return merged_with({.join = join}, sim, variant);
}

Variants lse_added_variants(const Simulation& sim) {
  return pieces_and_unseen(sim) * each_named("weights", {"exp(lse - lse')", "sigmoid(lse - lse_b)"}) *
         Variants{Variant({"start", from_the_first_block, "the first block"}),
                  Variant({"start", from_zeros, "(0, 0)"})};
}

AttentionOutput<double> lse_updated_too_early(const Simulation& sim, const Variant& variant) {
  const bool by_sigmoid = variant["weights"] == 1;
  const JoinRule join = [by_sigmoid](double lse, double lse_b, Index) -> Join {
    const double lse_new = log_of_sum(lse, lse_b);
    if (lse_new == minus_infinity<double>) return {1, 1, lse_new};
    const double added = by_sigmoid ? sigmoid(lse_b - lse_new) : std::exp(lse_b - lse_new);
    return {by_sigmoid ? 1 - added : 1, added, lse_new};
  };
  return merged_with({.join = join}, sim, variant);
}

Variants lse_updated_too_early_variants(const Simulation& sim) {
  return pieces(sim) * each_named("weights", {"1 and exp(lse_b - lse')", "of sigmoid(lse_b - lse')"});
}

AttentionOutput<double> weights_swapped(const Simulation& sim, const Variant& variant) {
  const JoinRule join = [](double lse, double lse_b, Index merged) -> Join {
    const Join right = correct_join(lse, lse_b, merged);
    return {right.added, right.kept, right.lse};
  };
  return merged_with({.join = join}, sim, variant);
}

AttentionOutput<double> averaged(const Simulation& sim, const Variant& variant) {
  const JoinRule join = [](double lse, double lse_b, Index merged) -> Join {
    const auto n = static_cast<double>(merged);
    return {n / (n + 1), 1 / (n + 1), log_of_sum(lse, lse_b)};
  };
  return merged_with({.join = join}, sim, variant);
}

AttentionOutput<double> running_mean(const Simulation& sim, const Variant& variant) {
  const JoinRule join = [](double lse, double lse_b, Index) -> Join {
    return {0.5, 0.5, log_of_sum(lse, lse_b)};
  };
  return merged_with({.join = join}, sim, variant);
}

AttentionOutput<double> summed(const Simulation& sim, const Variant& variant) {
  const JoinRule join = [](double lse, double lse_b, Index) -> Join {
    return {1, 1, log_of_sum(lse, lse_b)};
  };
  return merged_with({.join = join}, sim, variant);
}

AttentionOutput<double> overwritten(const Simulation& sim, const Variant& variant) {
  const JoinRule join = [](double lse, double lse_b, Index) -> Join {
    return {0, 1, log_of_sum(lse, lse_b)};
  };
  return merged_with({.join = join}, sim, variant);
}

}  // namespace

std::vector<Mistake> merge_mistakes() {
  return {
      {.id = "L1",
       .family = Family::merge,
       .title = "lse in base 2 is merged as a natural logarithm",
       .wrong = "weights exp(lse_b / ln 2): the block returns log2, the merge uses exp and log",
       .fingerprint = "the logarithm of a block's weight over its right weight grows with the logarithm of "
                      "the right weight, with slope 1/ln 2 - 1 = 0.443: heavy blocks get too much weight",
       .why = "Kernels built on exp2 return lse in base 2.",
       .fix = "Multiply the kernel's lse by ln 2 before merging.",
       .seen_in = "vllm-project/vllm#28840",
       .variants =
           [](const Simulation& sim) {
             return pieces(sim) * each_named("lse", {"returned as merged", "returned multiplied by ln 2"});
           },
       .forward = base_2_merged_as_e},
      {.id = "L2",
       .family = Family::merge,
       .title = "a natural-log lse is merged in base 2",
       .wrong = "weights 2^lse_b: the block returns the natural logarithm, the merge uses exp2 and log2",
       .fingerprint = "as for L1, but with slope ln 2 - 1 = -0.307: heavy blocks get too little weight",
       .why = "The merge was taken from a library whose kernels return lse in base 2.",
       .fix = "Use exp and log, or divide the kernel's lse by ln 2 before merging.",
       .seen_in = "sgl-project/sglang#35045",
       .variants =
           [](const Simulation& sim) {
             return pieces(sim) * each_named("lse", {"returned as merged", "returned multiplied by ln 2",
                                                     "merged correctly, only the weights in base 2"});
           },
       .forward = e_merged_as_base_2},
      {.id = "L3",
       .family = Family::merge,
       .title = "the lse values of the blocks are added",
       .wrong = "lse_new = lse + lse_b",
       .fingerprint = "lse is the sum over the blocks, and overflows; the block weights are far off",
       .why = "The sums of exponentials add up, their logarithms do not.",
       .fix = "Use lse_new = log(exp(lse) + exp(lse_b)).",
       .seen_in = "zhuzilin/ring-flash-attention#20",
       .variants = lse_added_variants,
       .forward = lse_added},
      {.id = "L4",
       .family = Family::merge,
       .title = "lse is updated before the weights are computed from it",
       .wrong = "kept = exp(lse_new - lse_new) = 1, added = exp(lse_b - lse_new)",
       .fingerprint = "lse is right; with V = 1 the output is above 1 and the first block has weight 1; in "
                      "the sigmoid form the latest blocks have too little weight",
       .why = "The weight of the accumulated output is computed from a value that already includes the new "
              "block.",
       .fix = "Keep the old lse until both weights are computed.",
       .variants = lse_updated_too_early_variants,
       .forward = lse_updated_too_early},
      {.id = "L5",
       .family = Family::merge,
       .title = "the weights of the accumulated and the new output are swapped",
       .wrong = "kept = exp(lse_b - lse_new), added = exp(lse - lse_new)",
       .fingerprint = "lse is right; blocks that should contribute little dominate",
       .why = "Each output is weighted by the sum of the other.",
       .fix = "Use kept = exp(lse - lse_new), added = exp(lse_b - lse_new).",
       .variants = pieces_unseen_and_start,
       .forward = weights_swapped},
      {.id = "L6",
       .family = Family::merge,
       .title = "the block outputs are averaged",
       .wrong = "out = (out_1 + ... + out_n) / n",
       .fingerprint = "lse is right; all blocks of a row have the same weight",
       .why = "Blocks with larger scores must have more weight.",
       .fix = "Weight each block output by exp(lse_b - lse).",
       .variants = pieces_and_unseen,
       .forward = averaged},
      {.id = "L7",
       .family = Family::merge,
       .title = "each block output is averaged with the accumulated output",
       .wrong = "out_new = (out + out_b) / 2",
       .fingerprint = "lse is right; the last block has weight 1/2, the block before it 1/4, and so on",
       .why = "The weight of a block depends on its arrival order instead of on its scores.",
       .fix = "Weight each block output by exp(lse_b - lse).",
       .variants = pieces_unseen_and_start,
       .forward = running_mean},
      {.id = "L8",
       .family = Family::merge,
       .title = "the block outputs are summed",
       .wrong = "out = out_1 + ... + out_n",
       .fingerprint =
           "lse is right; with V = 1 the output is the number of blocks in which the row attends to a key",
       .why = "Every block output is already divided by its own sum.",
       .fix = "Weight each block output by exp(lse_b - lse).",
       .variants = pieces,
       .forward = summed},
      {.id = "L15",
       .family = Family::merge,
       .title = "each block output overwrites the accumulated output",
       .wrong = "out = out_b",
       .fingerprint = "lse is right; out is the attention to the last block alone, or 0 if the mask hides it",
       .why = "The result is assigned to where it should be merged.",
       .fix = "Use out = exp(lse - lse_new) out + exp(lse_b - lse_new) out_b.",
       .variants = pieces_and_unseen,
       .forward = overwritten},
  };
}

}  // namespace ringattn
