// Mistakes in the lse of a merge: which lse is returned, overflow, NaN, and a misread lse.

#include <cmath>
#include <limits>
#include <numbers>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/merge_chain.h"

namespace ringattn {

namespace {

enum class Which { first, last };

AttentionOutput<double> merged_lse_of_one_block(Which which, const Simulation& sim, const Variant& variant) {
  const auto blocks_of = tiled_blocks_of_all(sim, variant["tile"]);
  const bool skips = given(variant, "blocks unseen", 0) == 1;
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    correct_weights(row, result);
    result.lse = minus_infinity<double>;
    for (const Tiles& block : blocks_of[static_cast<std::size_t>(row.device)])
      for (const Keys& tile : block) {
        const double lse_b = attend(row, tile, result.weight.size()).lse;
        if (skips && lse_b == minus_infinity<double>) continue;
        result.lse = lse_b;
        if (which == Which::first) return;
      }
  });
}

AttentionOutput<double> lse_of_the_last_block(const Simulation& sim, const Variant& variant) {
  return merged_lse_of_one_block(Which::last, sim, variant);
}

AttentionOutput<double> lse_of_the_first_block(const Simulation& sim, const Variant& variant) {
  return merged_lse_of_one_block(Which::first, sim, variant);
}

Variants whole_chains(const Simulation& sim) {
  Variants chains;
  for (const Variant& variant : pieces_and_unseen(sim))
    if (given(variant, "wrong", 0) == 0) chains.push_back(variant);
  return chains;
}

// exp in a format whose largest number is 2^largest_exponent: infinite above it
double exp_with_limit(Index largest_exponent, double x) {
  return x >= static_cast<double>(largest_exponent) * std::numbers::ln2
             ? std::numeric_limits<double>::infinity()
             : std::exp(x);
}

AttentionOutput<double> exp_overflows(const Simulation& sim, const Variant& variant) {
  const Index largest_exponent = variant["exp in"];
  const JoinRule join = [largest_exponent](double lse, double lse_b, Index) -> Join {
    const double lse_new = lse + std::log(1 + exp_with_limit(largest_exponent, lse_b - lse));
    return {std::exp(lse - lse_new), std::exp(lse_b - lse_new), lse_new};
  };
  return merged_with({.join = join}, sim, variant);
}

Variants exp_overflows_variants(const Simulation& sim) {
  return pieces_and_unseen(sim) * Variants{Variant({"exp in", 16, "float16"}),
                                           Variant({"exp in", 128, "float32"}),
                                           Variant({"exp in", 1024, "float64"})};
}

AttentionOutput<double> nan_of_two_empty_sides(const Simulation& sim, const Variant& variant) {
  const bool lse_is_right = variant["lse"] == 1;
  const JoinRule join = [lse_is_right](double lse, double lse_b, Index) -> Join {
    const double m = std::isnan(lse) ? lse : std::max(lse, lse_b);
    const double lse_new = lse_is_right && m == minus_infinity<double>
                               ? m
                               : m + std::log(std::exp(lse - m) + std::exp(lse_b - m));
    return {std::exp(lse - lse_new), std::exp(lse_b - lse_new), lse_new};
  };
  return merged_with({.join = join}, sim, variant);
}

AttentionOutput<double> half_of_lse_b(const Simulation& sim, const Variant& variant) {
  const bool maximum = variant["lse_b"] == 0;
  return merged_with({.lse_of_block =
                          [maximum](const RowWeights& block) {
                            if (block.lse == minus_infinity<double>) return minus_infinity<double>;
                            const double log_l =
                                -std::log(block.weight.maxCoeff());  // the largest weight is 1 / l
                            return maximum ? block.lse - log_l : log_l;
                          }},
                     sim, variant);
}

Variants half_of_lse_b_variants(const Simulation& sim) {
  return pieces(sim) * each_named("lse_b", {"m", "log l"});
}

// ---- lse read with exchanged axes --------------------------------------------

// The row and head whose lse is read instead of that of _row_ when an array (H, L) is read as (L, H), or the
// reverse; L is the number of rows of the device
struct RowAndHead {
  Index h, i;
};

RowAndHead misread_row(const QueryRow& row, const Simulation& sim, bool stored_heads_first) {
  const std::vector<Index>& rows = sim.sharding().queries.rows_of(row.device);
  const Index H = sim.problem().Q.shape.H, L = static_cast<Index>(rows.size());
  const Index at = stored_heads_first ? row.place * H + row.h : row.h * L + row.place;
  return stored_heads_first ? RowAndHead{at / L, rows[static_cast<std::size_t>(at % L)]}
                            : RowAndHead{at % H, rows[static_cast<std::size_t>(at / H)]};
}

// The lse of each block for any row of the sequence, simulated or not
std::vector<double> lse_of_blocks(const RowAndHead& of, Index b, const std::vector<Tiles>& blocks,
                                  const Simulation& sim) {
  Tensor<double> Q;
  const Problem<double> selected = with_queries(sim.problem(), {of.i}, Q);
  const RowPosition row_position = selected.q_positions.of(b)[0];
  const Matrix<double> S = unmasked_scores(selected, b, of.h);
  Matrix<bool> seen(1, S.cols());
  for (Index j = 0; j < S.cols(); ++j)
    seen(0, j) = visible(row_position, sim.key(b, j), sim.problem().scoring.mask);

  std::vector<double> lse;
  const QueryRow row{b, of.h, of.i, 0, 0, row_position, S.data(), seen.data()};
  for (const Tiles& block : blocks) lse.push_back(attend(row, block.front(), S.cols()).lse);
  return lse;
}

AttentionOutput<double> lse_misread(const Simulation& sim, const Variant& variant) {
  const auto blocks_of = tiled_blocks_of_all(sim, 0);
  const bool heads_first = variant["stored"] == 0, both = variant["misread"] == 0;
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    const std::vector<Tiles>& blocks = blocks_of[static_cast<std::size_t>(row.device)];
    const std::vector<double> read = lse_of_blocks(misread_row(row, sim, heads_first), row.b, blocks, sim);
    result = attend(row, blocks[0].front(), result.weight.size());
    double lse_read = read[0];
    for (std::size_t step = 1; step < blocks.size(); ++step) {
      const RowWeights block = attend(row, blocks[step].front(), result.weight.size());
      const Join join = correct_join(both ? lse_read : result.lse, read[step], 0);
      result = {join.kept * result.weight + join.added * block.weight, log_of_sum(result.lse, block.lse)};
      lse_read = log_of_sum(lse_read, read[step]);
    }
  });
}

Variants lse_misread_variants(const Simulation& sim) {
  if (sim.devices() == 1 || sim.problem().Q.shape.H == 1) return {};
  return each_named("stored", {"heads first, read as rows first", "rows first, read as heads first"}) *
         each_named("misread", {"accumulated and new block", "new block"});
}

}  // namespace

std::vector<Mistake> merge_lse_mistakes() {
  return {
      {.id = "L9",
       .family = Family::merge,
       .title = "the lse of the last block is returned",
       .wrong = "lse = lse_b of the last step",
       .fingerprint = "out is right; lse is too small, and -inf where the last block is masked; the backward "
                      "recomputes wrong probabilities from it",
       .why = "The kernel of each step writes its lse to the same buffer.",
       .fix = "Return the merged lse.",
       .seen_in = "NVIDIA/TransformerEngine@76187a5e0",
       .variants = whole_chains,
       .forward = lse_of_the_last_block},
      {.id = "L10",
       .family = Family::merge,
       .title = "the lse of the first block is returned",
       .wrong = "lse = lse_b of step 0",
       .fingerprint = "out is right; lse is too small wherever the row attends to more than its own block",
       .why = "The merge updates out only.",
       .fix = "Return the merged lse.",
       .variants = whole_chains,
       .forward = lse_of_the_first_block},
      {.id = "L11",
       .family = Family::merge,
       .title = "exp overflows in the merge",
       .wrong = "lse_new = lse + log(1 + exp(lse_b - lse))",
       .fingerprint = "lse is inf and out is 0 or NaN in rows where a later block outweighs all earlier ones "
                      "by more than exp can represent: 88 in float32, 11 in float16",
       .why = "The exponent is positive if the new block has the larger lse.",
       .fix = "Use lse_new = max + log(exp(lse - max) + exp(lse_b - max)), or lse - logsigmoid(lse - lse_b).",
       .seen_in = "zhuzilin/ring-flash-attention@9b84a6a",
       .variants = exp_overflows_variants,
       .forward = exp_overflows},
      {.id = "L12",
       .family = Family::merge,
       .title = "merging two empty blocks gives NaN",
       .wrong = "max + log(exp(lse - max) + exp(lse_b - max)) with max = -infinity",
       .fingerprint =
           "NaN in rows whose first blocks are fully masked, even if later blocks are visible; lse is "
           "NaN, too, or right",
       .why = "-infinity minus -infinity is NaN, and NaN persists through all later merges.",
       .fix = "If both sides are -infinity, leave out and lse unchanged.",
       .seen_in = "vllm-project/vllm#39148",
       .variants =
           [](const Simulation& sim) {
             return pieces(sim) * both_starts() * each_named("lse", {"NaN, too", "by logaddexp, right"});
           },
       .forward = nan_of_two_empty_sides},
      {.id = "L13",
       .family = Family::merge,
       .title = "lse is read with its axes exchanged",
       .wrong =
           "the weights of (head, row) use the lse at index row H + head of an array stored as (heads, rows)",
       .fingerprint = "lse is right; the blocks of a row are merged with the weights of another row and "
                      "head, depending on the memory layout",
       .why = "A transposed view is passed to a kernel that assumes contiguous memory.",
       .fix = "Make lse contiguous after the transpose, or pass its strides.",
       .seen_in = "vllm-project/vllm#22003",
       .variants = lse_misread_variants,
       .forward = lse_misread},
      {.id = "L14",
       .family = Family::merge,
       .title = "blocks are merged with only one term of their lse",
       .wrong = "lse_b = m_b, or lse_b = log l_b, instead of m_b + log l_b",
       .fingerprint = "lse is wrong; with m alone, the blocks with the highest scores have about the right "
                      "weight; with log l alone, all blocks have nearly the same weight",
       .why = "m and l of a block are stored separately, but merging normalised outputs needs both.",
       .fix = "Use lse_b = m_b + log l_b.",
       .seen_in = "zhuzilin/ring-flash-attention#38",
       .variants = half_of_lse_b_variants,
       .forward = half_of_lse_b},
  };
}

}  // namespace ringattn
