// Masks that do not mask: a masked key keeps a finite score, or keeps its share of the softmax.

#include <algorithm>
#include <array>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/mistakes/mask/mask_rules.h"

namespace ringattn {

namespace {

// ---- Masked keys and skipped keys -------------------------------------------

enum MaskedPart : Index { keys_after_query, all_hidden_keys };

// The keys that are masked the wrong way. Fully masked blocks or tiles may be skipped, which keeps the mistake
// from affecting their keys.
class SoftMask {
 public:
  SoftMask(const Simulation& sim, const Variant& variant)
      : only_causal_(variant["masked"] == keys_after_query),
        mask_(only_causal_ ? Mask{.causal = true} : sim.problem().scoring.mask),
        skips_(variant["skipped"] != nothing_skipped),
        tiles_(sim, skips_ ? variant["skipped"] : 0, skips_ ? variant["skipped"] : 0) {}

  bool met(const Pair& pair) const {
    return (!only_causal_ || pair.in_reach) && !(skips_ && tiles_.hidden(pair, mask_));
  }
  bool seen(const Pair& pair) const { return only_causal_ ? pair.causal() : pair.visible; }

  static constexpr Index nothing_skipped = -1;

 private:
  bool only_causal_;
  Mask mask_;
  bool skips_;
  TilePositions tiles_;
};

// What a program may skip: nothing, fully masked blocks, fully masked tiles
Variants skips(const Simulation& sim, std::initializer_list<Index> tiles) {
  return concatenate({{Variant({"skipped", SoftMask::nothing_skipped, "nothing"})},
                      only_if(sim.devices() > 1, {Variant({"skipped", 0, "blocks without a visible key"})}),
                      tile_sizes(sim, "skipped", tiles)});
}

Variant masked_part(Index part) {
  return each_named("masked", {"keys after the query", "all masked keys"})[static_cast<std::size_t>(part)];
}

Variants masked(const Simulation& sim) {
  const bool all_come_after = sim.causal() && !has_window(sim) && !has_documents(sim);
  return concatenate(
      {{masked_part(keys_after_query)}, only_if(!all_come_after, {masked_part(all_hidden_keys)})});
}

Variants soft_masks(const Simulation& sim) { return masked(sim) * skips(sim, {16, 32, 64, 128, 256}); }

// Attention in which a key that is not skipped has the score score(S, seen)
template <class Score>
AttentionOutput<double> attend_softly(const Simulation& sim, const Variant& variant, const Score& score) {
  const SoftMask mask(sim, variant);
  return attend_with_scores(sim, [&](const Pair& pair) {
    return mask.met(pair) ? score(pair.S, mask.seen(pair)) : minus_infinity<double>;
  });
}

// ---- The mistakes -----------------------------------------------------------

AttentionOutput<double> masked_after_softmax(const Simulation& sim, const Variant& variant) {
  const SoftMask mask(sim, variant);
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    softmax_of(sim, row, result,
               [&](const Pair& pair) { return mask.met(pair) ? pair.S : minus_infinity<double>; });
    for_each_key(sim, row, [&](const Pair& pair) {
      if (!mask.seen(pair)) result.weight(pair.j) = 0;
    });
  });
}

AttentionOutput<double> boolean_added(const Simulation& sim, const Variant& variant) {
  const Index style = variant["added"];
  return attend_softly(sim, variant, [style](double S, bool seen) {
    if (style == 0) return seen ? S + 1 : S;
    if (style == 1) return seen ? S : S + 1;
    return seen ? S : S - 1;
  });
}

AttentionOutput<double> hidden_scores_zero(const Simulation& sim, const Variant& variant) {
  return attend_softly(sim, variant, [](double S, bool seen) { return seen ? S : 0; });
}

AttentionOutput<double> masked_before_softcap(const Simulation& sim, const Variant& variant) {
  const double c = sim.problem().scoring.softcap;
  return attend_softly(sim, variant, [c](double S, bool seen) { return seen ? S : -c; });
}

// Finite numbers used for -infinity; -infinity itself if lse is corrected afterwards
constexpr std::array<double, 4> lowest{minus_infinity<double>, -3.4028234663852886e38, -2.3819763427e38,
                                       -1e30};

AttentionOutput<double> empty_rows_read_mean(const Simulation& sim, const Variant& variant) {
  const Index skipped = variant["skipped"];
  const TilePositions tiles(sim, std::max<Index>(skipped, 0), std::max<Index>(skipped, 0));
  const double sentinel = lowest[static_cast<std::size_t>(variant["lse"])];
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    correct_weights(row, result);
    if (result.lse != minus_infinity<double>) return;
    for_each_key(sim, row, [&](const Pair& pair) {
      const bool met = skipped < 0 || !tiles.hidden(pair, sim.problem().scoring.mask);
      result.weight(pair.j) = met ? 1 : 0;
    });
    const double n = result.weight.sum();
    if (n == 0) return;
    result.weight /= n;
    result.lse = sentinel + std::log(n);
  });
}

// Masked scores in use that are not low enough
constexpr std::array<double, 6> sentinels{-1e9, -65504, -5e4, -1e4, -1e3, -1e2};

AttentionOutput<double> finite_sentinel(const Simulation& sim, const Variant& variant) {
  const double sentinel = sentinels[static_cast<std::size_t>(variant["sentinel"])];
  const bool added = variant["hidden score"] == 1;
  return attend_softly(sim, variant, [=](double S, bool seen) {
    if (seen) return S;
    return added ? S + sentinel : sentinel;
  });
}

constexpr std::array<double, 6> maxima{-1e9, -5e4, -1e4, 0, 0, 10};
constexpr Index first_fixed_maximum = 4;

// float32 underflows to 0 below exp(-104) and overflows above exp(88.7)
double exp_in_precision(bool float32, double x) {
  if (float32 && x < -104) return 0;
  if (float32 && x > 88.73) return std::numeric_limits<double>::infinity();
  return std::exp(x);
}

AttentionOutput<double> finite_maximum(const Simulation& sim, const Variant& variant) {
  const double m0 = maxima[static_cast<std::size_t>(variant["maximum"])];
  const bool fixed = variant["maximum"] >= first_fixed_maximum, float32 = variant["arithmetic"] == 0;
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    double m = m0, l = 0;
    for (Index j = 0; j < result.weight.size(); ++j)
      if (row.visible[j] && !fixed) m = std::max(m, row.S[j]);
    for (Index j = 0; j < result.weight.size(); ++j)
      if (row.visible[j]) l += result.weight(j) = exp_in_precision(float32, row.S[j] - m);
    if (l == 0) return;
    result.weight /= l;
    result.lse = m + std::log(l);
  });
}

AttentionOutput<double> finite_infinity(const Simulation& sim, const Variant& variant) {
  return variant["finite"] == 0 ? finite_sentinel(sim, variant) : finite_maximum(sim, variant);
}

Variants finite_infinities(const Simulation& sim) {
  const Variants finite = each_named("finite", {"the score of a masked key", "the maximum"});
  const Variants scores = each_named("sentinel", {"-1e9", "-65504", "-5e4", "-1e4", "-1e3", "-1e2"}) *
                          each_named("hidden score", {"the sentinel", "S + the sentinel"}) *
                          Variants{masked_part(all_hidden_keys)} * skips(sim, {});
  const Variants kept_maxima = each_named("maximum", {"starts at -1e9", "starts at -5e4", "starts at -1e4",
                                                      "starts at 0", "stays at 0", "stays at 10"}) *
                               each_named("arithmetic", {"float32", "float64"});
  return concatenate(
      {only_if(has_mask(sim), Variants{finite[0]} * scores), Variants{finite[1]} * kept_maxima});
}

}  // namespace

std::vector<Mistake> score_mask_mistakes() {
  return {
      {.id = "M10",
       .family = Family::mask,
       .title = "the mask is applied after the softmax",
       .wrong = "mask * softmax(S), without renormalisation",
       .fingerprint = "lse is that of unmasked attention; the weights of a row sum to less than 1",
       .why = "Masked keys have already taken their share of the softmax.",
       .fix = "Set masked scores to -inf before the softmax.",
       .variants = soft_masks,
       .forward = masked_after_softmax},
      {.id = "M11",
       .family = Family::mask,
       .title = "a boolean mask is added to the scores as 0 and 1",
       .wrong = "softmax(S + mask)",
       .fingerprint = "every key has weight, visible keys e times as much; where nothing is masked, only lse "
                      "is wrong, by exactly 1",
       .why = "True is converted to 1 and false to 0 instead of 0 and -inf.",
       .fix = "Use S for visible keys and -inf for masked ones.",
       .variants =
           [](const Simulation& sim) {
             return each_named("added", {"1 to visible keys", "1 to masked keys", "-1 to masked keys"}) *
                    soft_masks(sim);
           },
       .forward = boolean_added},
      {.id = "M12",
       .family = Family::mask,
       .title = "masked scores are set to 0",
       .wrong = "softmax(mask * S)",
       .fingerprint = "all masked keys have the same weight exp(0 - lse)",
       .why = "0 is an ordinary score; only -inf has weight 0.",
       .fix = "Set masked scores to -inf.",
       .variants = soft_masks,
       .forward = hidden_scores_zero},
      {.id = "M20",
       .family = Family::mask,
       .title = "a row without a visible key returns the mean of V",
       .wrong = "all scores of the row equal one finite number, so its softmax is uniform",
       .fingerprint = "only rows without a visible key are wrong: they return the mean of V over all keys, "
                      "or over the blocks that are not skipped",
       .why = "With a finite number for -inf, a row of masked scores is indistinguishable from a row of "
              "equal scores.",
       .fix = "If m is the score of masked keys, return out = 0 and lse = -inf.",
       .seen_in = "ml-explore/mlx#2395, tracel-ai/burn#4697, iree-org/iree#24175",
       .convention = "JAX",
       .variants =
           [](const Simulation& sim) {
             return only_if(has_mask(sim), each_named("lse", {"-inf", "-3.4e38 + log n", "-2.4e38 + log n",
                                                              "-1e30 + log n"}) *
                                               skips(sim, {}));
           },
       .forward = empty_rows_read_mean},
      {.id = "M21",
       .family = Family::mask,
       .title = "a finite number is used for -infinity",
       .wrong = "masked scores are -1e4, or the running maximum starts at -1e4",
       .fingerprint = "rows with ordinary scores are right; rows whose scores lie below that number attend "
                      "to masked keys, or return 0",
       .why = "Scores can be lower than any finite number that looks low enough.",
       .fix = "Use -inf, and guard the case m = -inf.",
       .seen_in = "flashinfer-ai/flashinfer#4267, Dao-AILab/flash-attention#2082, HabanaAI/vllm-fork#275",
       .variants = finite_infinities,
       .forward = finite_infinity},
      {.id = "M28",
       .family = Family::mask,
       .title = "the mask is applied before the soft-cap",
       .wrong = "c tanh(-inf / c) = -c",
       .fingerprint = "all masked keys have the same weight exp(-c - lse), which is negligible if c is large",
       .why = "The soft-cap maps -inf to the finite score -c.",
       .fix = "Scale, apply the soft-cap, then mask.",
       .variants =
           [](const Simulation& sim) { return only_if(sim.problem().scoring.softcap > 0, soft_masks(sim)); },
       .forward = masked_before_softcap},
  };
}

}  // namespace ringattn
