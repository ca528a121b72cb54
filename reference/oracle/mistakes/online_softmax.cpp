#include <cmath>

#include "reference/oracle/catalogue.h"
#include "reference/oracle/mistakes/blocks.h"

namespace ringattn {

namespace {

using Change = std::function<double(double)>;

double unchanged(double x) { return x; }
double one(double) { return 1; }
double inverse(double x) { return 1 / x; }
double square(double x) { return x * x; }

double whole_lse(double m, double l) { return m + std::log(l); }
double only_m(double m, double) { return m; }
double only_log_l(double, double l) { return std::log(l); }

// Online softmax (Milakov and Gimelshein, arXiv:1805.02867), tile by tile, with the places where it goes
// wrong:
//   m' = max(m, max S)   alpha = exp(m - m')   P = exp(S - m')
//   l = alpha l + sum P   acc = alpha acc + P V   m = m'        and at the end   out = acc / l   lse = m +
//   log l
struct OnlineSoftmax {
  double m = nothing_seen, l = 0;  // at the start
  Change alpha_l = unchanged;      // what l is multiplied by, of alpha
  Change alpha_acc = unchanged;    // what acc is multiplied by, of alpha
  Change stored = unchanged;       // P as it meets V
  bool knows_nothing_seen = true;  // leaves a row alone that has seen no key
  bool divides = true;             // by l, at the end
  double l_at_the_end = 0;         // added to l
  double (*lse)(double m, double l) = whole_lse;
};

struct State {
  double m, l;
  Vector<double> acc;  // (Skv) what the accumulator holds, as weights of the values
};

void absorb(const Row& row, const Keys& tile, const OnlineSoftmax& rule, State& state) {
  double m = state.m;
  for (const Index j : tile)
    if (row.visible[j]) m = std::max(m, row.S[j]);
  if (m == nothing_seen) {
    const double alpha = rule.knows_nothing_seen ? 1 : std::exp(state.m - m);  // exp(-inf - (-inf)) = NaN
    state.l *= alpha, state.acc *= alpha;
    return;
  }

  // The first tile finds nothing to rescale
  const double alpha = state.m == nothing_seen ? 1 : std::exp(state.m - m);
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
  if (l == 0) return {state.acc, nothing_seen};
  return {rule.divides ? state.acc / l : state.acc, rule.lse(state.m, l)};
}

// Parameters: tile, order, and state: carried from block to block (0), or every block is finished and merged
// rightly (1), where blocks of which the row sees nothing are merged (0) or skipped (1)
Attended<double> computed_with(const OnlineSoftmax& rule, const Simulation& sim, const Reading& reading) {
  const auto blocks_of = tiled_blocks_of_all(sim, given(reading, "tile", 0), given(reading, "order", 0) == 1);
  const bool carried = given(reading, "state", 0) == 0, skips = given(reading, "blocks unseen", 0) == 1;
  return sim.run([&](const Row& row, RowWeights& result) {
    const State start{rule.m, rule.l, Vector<double>::Zero(result.weight.size())};
    State state = start;
    for (const Tiles& block : blocks_of[static_cast<std::size_t>(row.device)]) {
      for (const Keys& tile : block) absorb(row, tile, rule, state);
      if (carried) continue;
      if (!skips || state.m != start.m || state.l != start.l) merge_rightly(result, finish(state, rule));
      state = start;
    }
    if (carried) result = finish(state, rule);
  });
}

// ---- The readings ------------------------------------------------------------

Readings states(const Simulation& sim) {
  const Readings both =
      each_named("state", {"carried from block to block", "each block finished, then merged rightly"});
  return sim.devices() > 1 ? both : Readings{both.front()};
}

// Where the tiles are what the mistake is made on: their size, their order, and what becomes of the state
Readings tilings(const Simulation& sim) {
  Readings readings = smaller_tiles(sim, {16, 32, 64, 128, 256}) *
                      each_named("order", {"left to right", "right to left"}) * states(sim);
  if (sim.devices() > 1) readings = either(readings, Readings{Reading({"tile", 0, "the whole ring block"})});
  return readings;
}

// ---- The mistakes --------------------------------------------------------------

Attended<double> acc_not_rescaled(const Simulation& sim, const Reading& reading) {
  return computed_with({.alpha_acc = one}, sim, reading);
}

Attended<double> l_not_rescaled(const Simulation& sim, const Reading& reading) {
  return computed_with({.alpha_l = one}, sim, reading);
}

Attended<double> nothing_rescaled(const Simulation& sim, const Reading& reading) {
  return computed_with({.alpha_l = one, .alpha_acc = one}, sim, reading);
}

// Which of the two a change of alpha strikes: both (0), acc (1), l (2)
Attended<double> computed_with_alpha(const Change& change, const Simulation& sim, const Reading& reading) {
  const Index struck = reading["of"];
  return computed_with(
      {.alpha_l = struck == 1 ? unchanged : change, .alpha_acc = struck == 2 ? unchanged : change}, sim,
      reading);
}

Attended<double> alpha_inverted(const Simulation& sim, const Reading& reading) {
  return computed_with_alpha(inverse, sim, reading);
}

Attended<double> alpha_twice(const Simulation& sim, const Reading& reading) {
  return computed_with_alpha(square, sim, reading);
}

Readings tilings_and_struck(const Simulation& sim) {
  return each_named("of", {"both", "the accumulator", "the sum l"}) * tilings(sim);
}

Attended<double> not_divided(const Simulation& sim, const Reading& reading) {
  return computed_with({.divides = false}, sim, reading);
}

constexpr Index at_zero = 0, at_the_maximum = 1, at_the_first_maximum = 2;

// A key that is not there: the score it has is 0, or the maximum at the end, or that of the first tile
Attended<double> phantom_key(const Simulation& sim, const Reading& reading) {
  switch (reading["phantom key"]) {
    case at_zero:
      return computed_with({.m = 0, .l = 1}, sim, reading);
    case at_the_maximum:
      return computed_with({.l_at_the_end = 1}, sim, reading);
    default:
      return computed_with({.l = 1}, sim, reading);
  }
}

Readings phantom_keys(const Simulation& sim) {
  Readings readings = Readings{Reading({"phantom key", at_zero, "score 0"})} * states(sim);
  if (sim.devices() > 1 && has_mask(sim)) {
    const Reading finished = readings.back();
    readings.back() = finished + Reading({"blocks unseen", 0, "merged"});
    readings.push_back(finished + Reading({"blocks unseen", 1, "skipped"}));
  }
  readings = either(
      readings, Readings{Reading({"phantom key", at_the_maximum, "the score of the maximum"})} * states(sim));
  return either(readings,
                Readings{Reading({"phantom key", at_the_first_maximum, "the score of the first maximum"})} *
                    tilings(sim));
}

// P rounded to a format of _bits_ explicit bits, whose smallest normal number is 2^_smallest_
double rounded(double P, int bits, int smallest) {
  const double unit = std::ldexp(1, std::max(std::ilogb(P), smallest) - bits);
  return std::nearbyint(P / unit) * unit;
}

Attended<double> P_rounded_after_l(const Simulation& sim, const Reading& reading) {
  const bool e4m3 = reading["format"] == 0;
  return computed_with({.stored = [e4m3](double P) { return e4m3 ? rounded(P, 3, -6) : rounded(P, 2, -14); }},
                       sim, reading);
}

Readings formats(const Simulation& sim) {
  return each_named("format", {"fp8 e4m3", "fp8 e5m2"}) *
         either(Readings{Reading({"tile", 0, "the whole ring block"})},
                smaller_tiles(sim, {16, 32, 64, 128, 256}) *
                    each_named("order", {"left to right", "right to left"}));
}

Attended<double> nan_before_the_first_key(const Simulation& sim, const Reading& reading) {
  return computed_with({.knows_nothing_seen = false}, sim, reading);
}

Attended<double> half_of_lse(const Simulation& sim, const Reading& reading) {
  return computed_with({.lse = reading["lse"] == 0 ? only_m : only_log_l}, sim, reading);
}

}  // namespace

std::vector<Mistake> online_softmax_mistakes() {
  return {
      {.id = "O1",
       .family = Family::online_softmax,
       .title = "the accumulator is not rescaled when the maximum grows",
       .wrong = "acc = acc + P V instead of acc = alpha acc + P V",
       .fingerprint = "lse is right; rows whose maximum lies in the first tile are right; the last tile that "
                      "raises the maximum and those after it have the right weight, earlier ones too much",
       .why = "What was summed relative to the old maximum is read as if it were relative to the new one.",
       .fix = "Multiply acc by alpha = exp(m - m') before P V is added.",
       .evidence = "lucidrains/ring-attention-pytorch@373f75b",
       .readings = tilings,
       .forward = acc_not_rescaled},
      {.id = "O2",
       .family = Family::online_softmax,
       .title = "the sum l is not rescaled when the maximum grows",
       .wrong = "l = l + sum P instead of l = alpha l + sum P",
       .fingerprint = "lse is too large and out too small by the same factor, whatever the values are; with "
                      "V = 1 the output is below 1",
       .why = "The normaliser counts earlier keys at full weight, the accumulator does not.",
       .fix = "Multiply l by alpha = exp(m - m') before sum P is added.",
       .evidence = "",
       .readings = tilings,
       .forward = l_not_rescaled},
      {.id = "O3",
       .family = Family::online_softmax,
       .title = "neither the accumulator nor the sum is rescaled when the maximum grows",
       .wrong = "l = l + sum P, acc = acc + P V with P relative to the maximum of its own time",
       .fingerprint = "lse is too large; with V = 1 the output is still 1, so sums of weights show nothing",
       .why = "The keys of each tile are weighed against another maximum.",
       .fix = "Multiply both l and acc by alpha = exp(m - m').",
       .evidence = "",
       .readings = tilings,
       .forward = nothing_rescaled},
      {.id = "O4",
       .family = Family::online_softmax,
       .title = "the rescaling factor is inverted",
       .wrong = "alpha = exp(m' - m) instead of exp(m - m')",
       .fingerprint =
           "rows whose maximum lies in the first tile are right; in all others early tiles weigh far "
           "too much, the more the maximum grew",
       .why = "alpha is above 1, so the past grows where it should shrink.",
       .fix = "alpha = exp(m - m'), never above 1.",
       .evidence = "",
       .readings = tilings_and_struck,
       .forward = alpha_inverted},
      {.id = "O5",
       .family = Family::online_softmax,
       .title = "the final division by the sum l is missing",
       .wrong = "out = acc instead of acc / l",
       .fingerprint =
           "lse is right; out is too large by a factor that is the same for all elements of a row; "
           "with V = 1 it reads l, between 1 and the number of keys",
       .why = "The accumulator holds sums that have not been normalised.",
       .fix = "out = acc / l, once, after the last block.",
       .evidence = "",
       .readings = states,
       .forward = not_divided},
      {.id = "O6",
       .family = Family::online_softmax,
       .title = "a key that is not there is counted in the sum l",
       .wrong = "l starts at 1, or m at 0 with l = 1, or out = acc / (1 + l)",
       .fingerprint =
           "out is too small and exp(lse) too large by the weight of one key; next to nothing when many "
           "keys count, everything on the probe `cold`, where all scores are far below 0",
       .why = "The phantom key has a weight and the value 0; models with attention sinks do this on purpose.",
       .fix = "Start with m = -infinity, l = 0, or with the neutral (0, -infinity) of the merge, not with "
              "zeros.",
       .evidence = "",
       .readings = phantom_keys,
       .forward = phantom_key},
      {.id = "O7",
       .family = Family::online_softmax,
       .title = "the past is rescaled twice when the maximum grows",
       .wrong = "acc = alpha^2 acc + P V",
       .fingerprint =
           "early tiles weigh too little; if only the accumulator is struck, lse is right and with V = 1 "
           "the output is below 1",
       .why = "alpha is applied once with the tile and once more when the block is finished or stored.",
       .fix = "Apply alpha once for every growth of the maximum.",
       .evidence = "",
       .readings = tilings_and_struck,
       .forward = alpha_twice},
      {.id = "O8",
       .family = Family::online_softmax,
       .title = "the weights are rounded to 8 bits after they were summed",
       .wrong = "out = sum fp8(P) V / sum P",
       .fingerprint = "lse is right; with V = 1 the output is not 1, far below it where many small weights "
                      "are rounded to 0",
       .why = "Numerator and denominator are sums of different numbers; with 16-bit weights the same is "
              "harmless.",
       .fix = "Sum the rounded weights, or scale P before rounding so that small weights survive.",
       .evidence = "ROCm/FlyDSL#1020",
       .readings = formats,
       .forward = P_rounded_after_l},
      {.id = "O9",
       .family = Family::online_softmax,
       .title = "a row that has not seen a key yet gives NaN",
       .wrong = "alpha = exp(m - m') with m = m' = -infinity",
       .fingerprint =
           "out and lse are NaN in exactly those rows whose first tile is hidden from them entirely",
       .why = "-infinity minus -infinity is NaN, and NaN times 0 stays NaN.",
       .fix = "Subtract 0 instead of m' while m' = -infinity, or skip tiles that the row does not see.",
       .evidence = "",
       .readings = [](const Simulation& sim) { return has_mask(sim) ? tilings(sim) : Readings(); },
       .forward = nan_before_the_first_key},
      {.id = "O10",
       .family = Family::online_softmax,
       .title = "half of lse is returned",
       .wrong = "lse = m, or lse = log l, instead of m + log l",
       .fingerprint = "out is right; lse is too small by log l or by m",
       .why = "The maximum and the sum are kept apart in the loop and joined only at the end.",
       .fix = "lse = m + log l.",
       .evidence = "",
       .readings =
           [](const Simulation&) {
             return each_named("lse", {"m", "log l"});
           },
       .forward = half_of_lse},
  };
}

}  // namespace ringattn
