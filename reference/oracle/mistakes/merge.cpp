#include <cmath>
#include <numbers>

#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/merge_chain.h"
#include "reference/definition/minus_infinity.h"

namespace ringattn {

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

AttentionOutput<double> base_2_merged_as_e(const Simulation& sim, const Variant& variant) {
  AttentionOutput<double> result =
      merged_with({.lse_of_block = [](const RowWeights& block) { return block.lse / std::numbers::ln2; }}, sim, variant);
  if (variant["lse"] == 1)
    for (Index n = 0; n < result.lse.size(); ++n) result.lse.data()[n] *= std::numbers::ln2;
  return result;
}

AttentionOutput<double> e_merged_as_base_2(const Simulation& sim, const Variant& variant) {
  constexpr Index as_merged = 0, multiplied_by_ln2 = 1;
  const Index returned = variant["lse"];
  const JoinRule join = [returned](double lse, double lse_b, Index) -> Join {
    const double right = log_of_sum(lse, lse_b), base_2 = log_of_sum(lse * std::numbers::ln2, lse_b * std::numbers::ln2) / std::numbers::ln2;
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

}  // namespace

std::vector<Mistake> merge_mistakes() {
  return {
      {.id = "L1",
       .family = Family::merge,
       .title = "lse in base 2 is merged as a natural logarithm",
       .wrong = "weights exp(lse_b / ln 2): the block returns log2, the merge uses exp and log",
       .fingerprint = "log of a block's weight over its right weight grows with the log of the right weight, "
                      "slope 1/ln 2 - 1 = 0.443: blocks that weigh much weigh too much",
       .why = "Kernels that work with exp2 return lse in base 2.",
       .fix = "Multiply the lse of the kernel by ln 2 before merging.",
       .seen_in = "vllm-project/vllm#28840",
       .variants =
           [](const Simulation& sim) {
             return pieces(sim) * each_named("lse", {"returned as merged", "returned multiplied by ln 2"});
           },
       .forward = base_2_merged_as_e},
      {.id = "L2",
       .family = Family::merge,
       .title = "a natural lse is merged in base 2",
       .wrong = "weights 2^lse_b: the block returns the natural log, the merge uses exp2 and log2",
       .fingerprint = "as with L1, but slope ln 2 - 1 = -0.307: blocks that weigh much weigh too little",
       .why = "The merge was taken from a library whose kernels return lse in base 2.",
       .fix = "Use exp and log, or divide the lse of the kernel by ln 2 before merging.",
       .seen_in = "sgl-project/sglang#35045",
       .variants =
           [](const Simulation& sim) {
             return pieces(sim) * each_named("lse", {"returned as merged", "returned multiplied by ln 2",
                                                     "merged rightly, only the weights in base 2"});
           },
       .forward = e_merged_as_base_2},
      {.id = "L3",
       .family = Family::merge,
       .title = "the lse of a block is added",
       .wrong = "lse' = lse + lse_b",
       .fingerprint = "lse is the sum over the blocks, and overflows; weights are far off",
       .why = "What adds up are the sums of exp, not their logarithms.",
       .fix = "lse' = log(exp(lse) + exp(lse_b)).",
       .seen_in = "zhuzilin/ring-flash-attention#20",
       .variants = lse_added_variants,
       .forward = lse_added},
      {.id = "L4",
       .family = Family::merge,
       .title = "lse is updated before the weights are taken from it",
       .wrong = "kept = exp(lse' - lse') = 1, added = exp(lse_b - lse')",
       .fingerprint =
           "lse is right; with V = 1 the output is above 1 and the first block has weight 1, or, in the "
           "form with a sigmoid, the latest blocks weigh too little",
       .why = "The weight of the past is taken of a value that has forgotten the past.",
       .fix = "Keep the old lse until both weights are computed.",
       .variants = lse_updated_too_early_variants,
       .forward = lse_updated_too_early},
      {.id = "L5",
       .family = Family::merge,
       .title = "the weights of old and new are swapped",
       .wrong = "kept = exp(lse_b - lse'), added = exp(lse - lse')",
       .fingerprint = "lse is right; blocks that should hardly count dominate",
       .why = "Each side is weighed by the mass of the other.",
       .fix = "kept = exp(lse - lse'), added = exp(lse_b - lse').",
       .variants = pieces_unseen_and_start,
       .forward = weights_swapped},
      {.id = "L6",
       .family = Family::merge,
       .title = "the outputs of the blocks are averaged",
       .wrong = "out = (out_1 + ... + out_n) / n",
       .fingerprint = "lse is right; all blocks of a row have the same weight",
       .why = "Blocks with large scores must count more than others.",
       .fix = "Weigh each block by exp(lse_b - lse).",
       .variants = pieces_and_unseen,
       .forward = averaged},
      {.id = "L7",
       .family = Family::merge,
       .title = "each block is averaged with what came before",
       .wrong = "out' = (out + out_b) / 2",
       .fingerprint = "lse is right; the last block has weight 1/2, the one before it 1/4, ...",
       .why = "The weight of a block depends on when it came instead of on its scores.",
       .fix = "Weigh each block by exp(lse_b - lse).",
       .variants = pieces_unseen_and_start,
       .forward = running_mean},
      {.id = "L8",
       .family = Family::merge,
       .title = "the outputs of the blocks are summed",
       .wrong = "out = out_1 + ... + out_n",
       .fingerprint = "lse is right; with V = 1 the output is the number of blocks that the row sees",
       .why = "Every block output is already divided by its own sum.",
       .fix = "Weigh each block by exp(lse_b - lse).",
       .variants = pieces,
       .forward = summed},
  };
}

}  // namespace ringattn
