// Mistakes in the online softmax: a tile is accumulated with a wrong factor, start value or end.

#include <cmath>

#include "reference/definition/minus_infinity.h"
#include "reference/oracle/catalogue/catalogue.h"
#include "reference/oracle/mistakes/blocks.h"

namespace ringattn {

namespace {

using Change = std::function<double(double)>;

double unchanged(double x) { return x; }
double one(double) { return 1; }
double reciprocal(double x) { return 1 / x; }
double squared(double x) { return x * x; }

double whole_lse(double m, double l) { return m + std::log(l); }
double only_m(double m, double) { return m; }
double only_log_l(double, double l) { return std::log(l); }

// Online softmax (Milakov and Gimelshein, arXiv:1805.02867) over the tiles of a row. A mistake replaces one of
// the members; the defaults are correct.
//   m_new = max(m, max S)   alpha = exp(m - m_new)   P = exp(S - m_new)
//   l = alpha l + sum P     acc = alpha acc + P V    m = m_new
// After the last tile: out = acc / l, lse = m + log l.
struct OnlineSoftmax {
  double m = minus_infinity<double>, l = 0;  // before the first tile
  Change alpha_l = unchanged;                // factor of l, as a function of alpha
  Change alpha_acc = unchanged;              // factor of acc, as a function of alpha
  Change stored = unchanged;                 // P as multiplied with V
  bool guards_empty_rows = true;             // alpha = 1 while m_new = -infinity
  bool divides = true;                       // out = acc / l, else out = acc
  double l_at_the_end = 0;                   // added to l after the last tile
  double (*lse)(double m, double l) = whole_lse;
};

struct State {
  double m, l;
  Vector<double> acc;  // (Skv) accumulator, as weights of the values
};

void absorb(const QueryRow& row, const Keys& tile, const OnlineSoftmax& rule, State& state) {
  double m = state.m;
  for (const Index j : tile)
    if (row.visible[j]) m = std::max(m, row.S[j]);
  if (m == minus_infinity<double>) {
    const double alpha = rule.guards_empty_rows ? 1 : std::exp(state.m - m);  // exp(-inf - (-inf)) = NaN
    state.l *= alpha, state.acc *= alpha;
    return;
  }

  // Nothing is rescaled before the first visible key
  const double alpha = state.m == minus_infinity<double> ? 1 : std::exp(state.m - m);
  state.l *= rule.alpha_l(alpha);
  if (const double factor = rule.alpha_acc(alpha); factor != 1) state.acc *= factor;
  for (const Index j : tile)
    if (row.visible[j]) {
      const double P = std::exp(row.S[j] - m);
      state.l += P;
      state.acc(j) += rule.stored(P);
    }
  state.m = m;
}

RowWeights finish(const State& state, const OnlineSoftmax& rule) {
  const double l = state.l + rule.l_at_the_end;
  if (l == 0) return {state.acc, minus_infinity<double>};
  return {rule.divides ? state.acc / l : state.acc, rule.lse(state.m, l)};
}

// Parameters of the variant:
//   tile, order    the tiles of a block
//   state          0: carried from block to block; 1: each block is finished, then merged correctly
//   blocks unseen  fully masked blocks are 0: merged, 1: skipped (state 1 only)
AttentionOutput<double> computed_with(const OnlineSoftmax& rule, const Simulation& sim,
                                      const Variant& variant) {
  const auto blocks_of = tiled_blocks_of_all(sim, given(variant, "tile", 0), given(variant, "order", 0) == 1);
  const bool carried = given(variant, "state", 0) == 0, skips = given(variant, "blocks unseen", 0) == 1;
  return sim.run([&](const QueryRow& row, RowWeights& result) {
    const State start{rule.m, rule.l, Vector<double>::Zero(result.weight.size())};
    State state = start;
    for (const Tiles& block : blocks_of[static_cast<std::size_t>(row.device)]) {
      for (const Keys& tile : block) absorb(row, tile, rule, state);
      if (carried) continue;
      if (!skips || state.m != start.m || state.l != start.l) correct_merge(result, finish(state, rule));
      state = start;
    }
    if (carried) result = finish(state, rule);
  });
}

// ---- The variants ------------------------------------------------------------

Variants states(const Simulation& sim) {
  const Variants both =
      each_named("state", {"carried from block to block", "each block finished, then merged correctly"});
  return sim.devices() > 1 ? both : Variants{both.front()};
}

// Variants of mistakes made once per tile: tile size, order of the tiles, and state across blocks
Variants tilings(const Simulation& sim) {
  Variants variants = smaller_tiles(sim, {16, 32, 64, 128, 256}) *
                      each_named("order", {"left to right", "right to left"}) * states(sim);
  if (sim.devices() > 1)
    variants = concatenate({variants, Variants{Variant({"tile", 0, "the whole ring block"})}});
  return variants;
}

// ---- The mistakes --------------------------------------------------------------

AttentionOutput<double> acc_not_rescaled(const Simulation& sim, const Variant& variant) {
  return computed_with({.alpha_acc = one}, sim, variant);
}

AttentionOutput<double> l_not_rescaled(const Simulation& sim, const Variant& variant) {
  return computed_with({.alpha_l = one}, sim, variant);
}

AttentionOutput<double> neither_rescaled(const Simulation& sim, const Variant& variant) {
  return computed_with({.alpha_l = one, .alpha_acc = one}, sim, variant);
}

// `of`: a change of alpha affects both acc and l (0), acc (1) or l (2)
AttentionOutput<double> computed_with_alpha(const Change& change, const Simulation& sim,
                                            const Variant& variant) {
  const Index affected = variant["of"];
  return computed_with(
      {.alpha_l = affected == 1 ? unchanged : change, .alpha_acc = affected == 2 ? unchanged : change}, sim,
      variant);
}

AttentionOutput<double> alpha_inverted(const Simulation& sim, const Variant& variant) {
  return computed_with_alpha(reciprocal, sim, variant);
}

AttentionOutput<double> alpha_twice(const Simulation& sim, const Variant& variant) {
  return computed_with_alpha(squared, sim, variant);
}

Variants tilings_and_affected(const Simulation& sim) {
  return each_named("of", {"both", "the accumulator", "the sum l"}) * tilings(sim);
}

AttentionOutput<double> not_divided(const Simulation& sim, const Variant& variant) {
  return computed_with({.divides = false}, sim, variant);
}

constexpr Index at_zero = 0, at_the_maximum = 1, at_the_first_maximum = 2;

// The score of the nonexistent key: 0, the final maximum, or the maximum of the first tile
AttentionOutput<double> phantom_key(const Simulation& sim, const Variant& variant) {
  switch (variant["phantom key"]) {
    case at_zero:
      return computed_with({.m = 0, .l = 1}, sim, variant);
    case at_the_maximum:
      return computed_with({.l_at_the_end = 1}, sim, variant);
    default:
      return computed_with({.l = 1}, sim, variant);
  }
}

Variants phantom_keys(const Simulation& sim) {
  Variants variants = Variants{Variant({"phantom key", at_zero, "score 0"})} * states(sim);
  if (sim.devices() > 1 && has_mask(sim)) {
    const Variant finished = variants.back();
    variants.back() = finished + Variant({"blocks unseen", 0, "merged"});
    variants.push_back(finished + Variant({"blocks unseen", 1, "skipped"}));
  }
  variants = concatenate(
      {variants, Variants{Variant({"phantom key", at_the_maximum, "score of the maximum"})} * states(sim)});
  return concatenate(
      {variants, Variants{Variant({"phantom key", at_the_first_maximum, "score of the first maximum"})} *
                     tilings(sim)});
}

// P rounded to a format with _bits_ explicit mantissa bits and the smallest normal number 2^_smallest_
double rounded(double P, int bits, int smallest) {
  const double unit = std::ldexp(1, std::max(std::ilogb(P), smallest) - bits);
  return std::nearbyint(P / unit) * unit;
}

AttentionOutput<double> P_rounded_after_l(const Simulation& sim, const Variant& variant) {
  const bool e4m3 = variant["format"] == 0;
  return computed_with({.stored = [e4m3](double P) { return e4m3 ? rounded(P, 3, -6) : rounded(P, 2, -14); }},
                       sim, variant);
}

Variants formats(const Simulation& sim) {
  return each_named("format", {"fp8 e4m3", "fp8 e5m2"}) *
         concatenate({Variants{Variant({"tile", 0, "the whole ring block"})},
                      smaller_tiles(sim, {16, 32, 64, 128, 256}) *
                          each_named("order", {"left to right", "right to left"})});
}

AttentionOutput<double> nan_before_the_first_key(const Simulation& sim, const Variant& variant) {
  return computed_with({.guards_empty_rows = false}, sim, variant);
}

AttentionOutput<double> lse_from_max_or_sum(const Simulation& sim, const Variant& variant) {
  return computed_with({.lse = variant["lse"] == 0 ? only_m : only_log_l}, sim, variant);
}

}  // namespace

std::vector<Mistake> online_softmax_mistakes() {
  return {
      {.id = "O1",
       .family = Family::online_softmax,
       .title = "the accumulator is not rescaled when the maximum grows",
       .wrong = "acc = acc + P V instead of acc = alpha acc + P V",
       .fingerprint =
           "lse is right; rows whose maximum is in the first tile are right; the last tile that raises the "
           "maximum and the tiles after it have the right weight, earlier tiles too much",
       .why = "Values accumulated relative to the old maximum are read as if relative to the new one.",
       .fix = "Multiply acc by alpha = exp(m_old - m_new) before adding P V.",
       .seen_in = "lucidrains/ring-attention-pytorch@373f75b",
       .variants = tilings,
       .forward = acc_not_rescaled},
      {.id = "O2",
       .family = Family::online_softmax,
       .title = "the sum l is not rescaled when the maximum grows",
       .wrong = "l = l + sum P instead of l = alpha l + sum P",
       .fingerprint = "exp(lse) is too large and out too small by the same factor, whatever the values; with "
                      "V = 1 the output is below 1",
       .why = "The sum l counts earlier keys relative to the old maximum, the accumulator counts them "
              "relative to the new one.",
       .fix = "Multiply l by alpha = exp(m_old - m_new) before adding sum P.",
       .variants = tilings,
       .forward = l_not_rescaled},
      {.id = "O3",
       .family = Family::online_softmax,
       .title = "neither the accumulator nor the sum is rescaled when the maximum grows",
       .wrong = "l = l + sum P, acc = acc + P V, with P relative to the maximum of its own tile",
       .fingerprint = "lse is too large; with V = 1 the output is still 1, so a check of the weight sums "
                      "does not detect it",
       .why = "The keys of each tile are weighted relative to a different maximum.",
       .fix = "Multiply both l and acc by alpha = exp(m_old - m_new).",
       .variants = tilings,
       .forward = neither_rescaled},
      {.id = "O4",
       .family = Family::online_softmax,
       .title = "the rescaling factor is inverted",
       .wrong = "alpha = exp(m_new - m_old) instead of exp(m_old - m_new)",
       .fingerprint = "rows whose maximum is in the first tile are right; in all other rows early tiles have "
                      "far too much weight, the more the maximum grew",
       .why = "alpha exceeds 1, so earlier contributions grow instead of shrinking.",
       .fix = "Use alpha = exp(m_old - m_new), which never exceeds 1.",
       .variants = tilings_and_affected,
       .forward = alpha_inverted},
      {.id = "O5",
       .family = Family::online_softmax,
       .title = "the final division by the sum l is missing",
       .wrong = "out = acc instead of acc / l",
       .fingerprint = "lse is right; out is too large by one factor per row; with V = 1 the output is l, "
                      "between 1 and the number of keys",
       .why = "The accumulator is not normalised.",
       .fix = "Compute out = acc / l once, after the last block.",
       .variants = states,
       .forward = not_divided},
      {.id = "O6",
       .family = Family::online_softmax,
       .title = "a nonexistent key is counted in the sum l",
       .wrong = "l starts at 1, or m starts at 0 with l = 1, or out = acc / (1 + l)",
       .fingerprint = "out is too small and exp(lse) too large by the weight of one key: negligible if many "
                      "keys contribute, dominant on the probe `cold`, where all scores are far below 0",
       .why = "The phantom key has a weight and the value 0. Models with attention sinks do this on purpose.",
       .fix = "Start with m = -infinity and l = 0, and start a merge with (0, -infinity), not with zeros.",
       .variants = phantom_keys,
       .forward = phantom_key},
      {.id = "O7",
       .family = Family::online_softmax,
       .title = "earlier contributions are rescaled twice when the maximum grows",
       .wrong = "acc = alpha^2 acc + P V",
       .fingerprint = "early tiles have too little weight; if only the accumulator is affected, lse is right "
                      "and with V = 1 the output is below 1",
       .why = "alpha is applied once per tile, and again when the block is finished or stored.",
       .fix = "Apply alpha once each time the maximum grows.",
       .variants = tilings_and_affected,
       .forward = alpha_twice},
      {.id = "O8",
       .family = Family::online_softmax,
       .title = "the weights are rounded to 8 bits after they were summed",
       .wrong = "out = sum fp8(P) V / sum P",
       .fingerprint = "lse is right; with V = 1 the output is not 1, and far below 1 where many small "
                      "weights round to 0",
       .why = "Numerator and denominator sum different numbers. With 16-bit weights the error is negligible.",
       .fix = "Sum the rounded weights, or scale P before rounding so that small weights survive.",
       .seen_in = "ROCm/FlyDSL#1020",
       .variants = formats,
       .forward = P_rounded_after_l},
      {.id = "O9",
       .family = Family::online_softmax,
       .title = "a row that has not attended to a key yet becomes NaN",
       .wrong = "alpha = exp(m_old - m_new) with m_old = m_new = -infinity",
       .fingerprint = "out and lse are NaN in exactly the rows whose first tile is fully masked",
       .why = "-infinity minus -infinity is NaN, and NaN times 0 is NaN.",
       .fix = "Subtract 0 instead of m_new while m_new = -infinity, or skip fully masked tiles.",
       .variants = [](const Simulation& sim) { return has_mask(sim) ? tilings(sim) : Variants(); },
       .forward = nan_before_the_first_key},
      {.id = "O10",
       .family = Family::online_softmax,
       .title = "only one term of lse is returned",
       .wrong = "lse = m, or lse = log l, instead of m + log l",
       .fingerprint = "out is right; lse is too small by log l or by m",
       .why = "The maximum and the sum are kept separately in the loop and combined only at the end.",
       .fix = "Return lse = m + log l.",
       .variants =
           [](const Simulation&) {
             return each_named("lse", {"m", "log l"});
           },
       .forward = lse_from_max_or_sum},
  };
}

}  // namespace ringattn
