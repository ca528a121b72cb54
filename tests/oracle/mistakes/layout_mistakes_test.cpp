// The mistakes of scale and layout: each equals the definition with the wrong scale or order of rows, or has the
// stated fingerprint.

#include <algorithm>
#include <numbers>

#include "tests/oracle/result_of_mistake.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

const Mistakes& layout_entries() {
  static const Mistakes all = mistakes_of({Family::scale, Family::layout});
  return all;
}

AttentionOutput<double> with_scale(const RandomProblem<double>& p, double scale) {
  Problem<double> problem = p.problem();
  problem.scoring.softmax_scale = scale;
  return attention(problem);
}

// Whether row n of out and lse is row source[n] of _right_
bool rows_come_from(const AttentionOutput<double>& result, const AttentionOutput<double>& right,
                    const std::vector<Index>& source) {
  return nearly(result,
                {select_rows(right.out.view(), source), select_rows(right.lse.view(), source, Axes::bhsd)});
}

// All scores are 0 and V_j = e_j, so that out shows the keys that a row attends to
RandomProblem<double> showing_keys(Index S) {
  RandomProblem<double> p = seeded_problem({1, S, S, 1, 1, 2, S}, true);
  p.Q.head(0, 0).setZero();
  p.V.head(0, 0).setIdentity();
  return p;
}

bool reads(const AttentionOutput<double>& result, Index row, Index key) {
  return result.out(0, row, 0, key) > 0;
}

}  // namespace

TEST_CASE("scale and layout: the result of a row is independent of the other simulated rows") {
  check_that_rows_are_independent(layout_entries(), trials(12));
}

TEST_CASE("scale and layout: each mistake has an effect on some case") {
  check_that_each_has_an_effect(layout_entries());
}

TEST_CASE("scale and layout: the backward of a mistake is the derivative of its forward") {
  check_that_backwards_are_derivatives(layout_entries());
}

TEST_CASE("a scale mistake equals the definition with the wrong scale") {
  const RandomProblem<double> p = seeded_problem({2, 5, 7, 6, 2, 4, 9}, true);
  const Simulation sim = simulate(p, 2);
  CHECK(nearly(result_of_mistake(sim, "S1"), with_scale(p, 1)));
  CHECK(nearly(result_of_mistake(sim, "S2"), with_scale(p, 0.25)));
  CHECK(nearly(result_of_mistake(sim, "S3"), with_scale(p, 2)));
  CHECK(nearly(result_of_mistake(sim, "S4"), with_scale(p, 1 / std::sqrt(24.0))));
  CHECK(nearly(result_of_mistake(sim, "S5", "query"), with_scale(p, 1 / std::sqrt(6.0))));
  CHECK(nearly(result_of_mistake(sim, "S5", "K/V"), with_scale(p, 1 / std::sqrt(2.0))));
  CHECK(nearly(result_of_mistake(sim, "S7"), with_scale(p, 0.5 * std::log(2.0))));
  CHECK(nearly(result_of_mistake(sim, "S8"), with_scale(p, 0.5 / std::log(2.0))));
  CHECK(nearly(result_of_mistake(sim, "S11"), with_scale(p, 1.0 / 3)));
}

TEST_CASE("with V = 1, a scale after the softmax is the output") {
  RandomProblem<double> p = seeded_problem({1, 5, 7, 2, 1, 4, 3}, true);
  p.V.head(0, 0).setOnes();
  const AttentionOutput<double> instead = result_of_mistake(simulate(p, 2), "S6", "not scaled"),
                                as_well = result_of_mistake(simulate(p, 2), "S6", "scaled as well");
  for (Index n = 0; n < instead.out.size(); ++n) CHECK(nearly(instead.out.data()[n], 0.5));
  CHECK(nearly(as_well.out, instead.out));
  CHECK(nearly(instead.lse, with_scale(p, 1).lse));
  CHECK(nearly(as_well.lse, attention(p.problem()).lse));
}

TEST_CASE("S9: a scale multiplied at every iteration is right in the first block only") {
  const RandomProblem<double> p = seeded_problem({1, 8, 8, 1, 1, 4, 3});
  const Simulation sim = simulate(p, 2);
  // Device 0 has keys 0 .. 3 and receives 4 .. 7
  RandomProblem<double> grown = p;
  grown.K.head(0, 0).bottomRows(4) *= std::numbers::log2e;
  const AttentionOutput<double> wrong = result_of_mistake(sim, "S9",
                                                          "log2(e), counted = along the ring, tile = block"),
                                expected = attention(grown.problem());
  for (Index row = 0; row < 4; ++row) CHECK(nearly(wrong.lse(0, row, 0, 0), expected.lse(0, row, 0, 0)));
  CHECK_FALSE(nearly(wrong.lse(0, 4, 0, 0), expected.lse(0, 4, 0, 0)));

  // Under a causal mask device 0 attends to its own block only and is right
  RandomProblem<double> causal = p;
  causal.scoring.mask.causal = true;
  const AttentionOutput<double> right = attention(causal.problem()),
                                partly = result_of_mistake(simulate(causal, 2), "S9", "tile = block");
  CHECK(nearly(partly.lse(0, 3, 0, 0), right.lse(0, 3, 0, 0)));
  CHECK_FALSE(nearly(partly.lse(0, 4, 0, 0), right.lse(0, 4, 0, 0)));
}

TEST_CASE("S10: a scale missing in the own blocks does not affect received blocks, and the reverse") {
  const RandomProblem<double> p = seeded_problem({1, 8, 8, 1, 1, 4, 3}, true);
  const Simulation sim = simulate(p, 2);
  const AttentionOutput<double> right = attention(p.problem()), none = with_scale(p, 1);
  const AttentionOutput<double> own = result_of_mistake(sim, "S10", "blocks = own, scale = missing"),
                                others = result_of_mistake(sim, "S10", "blocks = received, scale = missing");
  CHECK(nearly(own.lse(0, 3, 0, 0), none.lse(0, 3, 0, 0)));
  CHECK(nearly(others.lse(0, 3, 0, 0), right.lse(0, 3, 0, 0)));
  CHECK_FALSE(nearly(others.lse(0, 7, 0, 0), right.lse(0, 7, 0, 0)));
}

TEST_CASE("with a single key lse equals its score, which shows the soft-cap formula") {
  RandomProblem<double> p = seeded_problem({1, 1, 1, 1, 1, 4, 3});
  constexpr double c = 0.75, scale = 0.5;
  p.scoring.softcap = c;
  const double qk = p.Q.head(0, 0).row(0).dot(p.K.head(0, 0).row(0));
  const auto score = [&](const char* id, const char* said) {
    return result_of_mistake(simulate(p, 1), id, said).lse(0, 0, 0, 0);
  };
  CHECK(nearly(score("S12", ""), scale * qk));
  CHECK(nearly(score("S13", "formula = scale c"), scale * c * std::tanh(qk / c)));
  CHECK(nearly(score("S13", "formula = c tanh(s)"), c * std::tanh(scale * qk)));
  CHECK(nearly(score("S13", "formula = tanh"), std::tanh(scale * qk / c)));
  CHECK(nearly(score("S14", "formula = (s / c)"), scale * qk / c * std::tanh(scale * qk / c)));
  CHECK(nearly(score("S14", "formula = s tanh"), scale * qk * std::tanh(scale * qk / c)));
}

TEST_CASE("P1: a result in shard order is the right result permuted") {
  const RandomProblem<double> p = seeded_problem({2, 6, 7, 4, 2, 4, 3}, true);
  CHECK(rows_come_from(result_of_mistake(simulate(p, 3, Layout::striped), "P1", "out in shard order"),
                       attention(p.problem()), {0, 3, 1, 4, 2, 5}));
}

TEST_CASE("without a mask, layout mistakes give the right rows in another order") {
  const RandomProblem<double> p = seeded_problem({2, 6, 7, 4, 2, 4, 3});
  const AttentionOutput<double> right = attention(p.problem());
  // Rows of the three devices: 0 3 | 1 4 | 2 5
  const Simulation striped = simulate(p, 3, Layout::striped);
  CHECK(rows_come_from(result_of_mistake(striped, "P1", "out in shard order"), right, {0, 3, 1, 4, 2, 5}));
  CHECK(rows_come_from(result_of_mistake(striped, "P1", "in sequence order"), right, {0, 2, 4, 1, 3, 5}));
  CHECK(rows_come_from(result_of_mistake(striped, "P2", "wrong = out"), right, {0, 4, 3, 2, 1, 5}));
  CHECK(rows_come_from(result_of_mistake(striped, "P2", "wrong = q, k and v"), right, {0, 4, 3, 2, 1, 5}));
  CHECK(nearly(result_of_mistake(striped, "P2", "wrong = both"), right));
  // Rows of the three devices: 0 5 | 1 4 | 2 3
  const Simulation zigzag = simulate(p, 3, Layout::zigzag);
  CHECK(rows_come_from(result_of_mistake(zigzag, "P1", "out in shard order"), right, {0, 5, 1, 4, 2, 3}));
  CHECK(rows_come_from(result_of_mistake(zigzag, "P8", "where = out"), right, {5, 4, 3, 2, 1, 0}));
  CHECK(rows_come_from(result_of_mistake(zigzag, "P9", "of = the sequence, where = out"), right,
                       {5, 4, 3, 2, 1, 0}));
  CHECK(rows_come_from(result_of_mistake(zigzag, "P10", "where = out, order = from device 1"), right,
                       {1, 2, 0, 5, 3, 4}));
  // Shard row n is row (0 5 1 4 2 3)(n), and is stored as row (0 3 1 4 2 5)(n)
  CHECK(rows_come_from(result_of_mistake(zigzag, "P12", "layout = striped, where = out"), right,
                       {0, 1, 2, 5, 4, 3}));
}

TEST_CASE("P2: no effect on P stripes of P rows, whose permutation is its own inverse") {
  const RandomProblem<double> p = seeded_problem({1, 9, 9, 1, 1, 4, 3}, true);
  for_each_variant(
      {mistake_of_id("P2")}, simulate(p, 3, Layout::striped),
      [&](const Mistake& mistake, const Variant& variant) {
        CHECK(nearly(mistake.forward(simulate(p, 3, Layout::striped), variant), attention(p.problem())));
      });
}

TEST_CASE("lse is right if only V or only out is in another order") {
  const RandomProblem<double> p = seeded_problem({1, 8, 9, 2, 1, 4, 3}, true);
  const AttentionOutput<double> right = attention(p.problem());
  for (const Layout layout : all_layouts) {
    const Simulation sim = simulate(p, 3, layout);
    for (const auto& [id, said] : {std::pair{"P3", "operand = V"}, std::pair{"P9", "where = V"},
                                   std::pair{"P10", "where = V"}, std::pair{"P11", "left = out"}}) {
      CAPTURE(id);
      const AttentionOutput<double> wrong = result_of_mistake(sim, id, said);
      CHECK(nearly(wrong.lse, right.lse));
      CHECK_FALSE(nearly(wrong.out, right.out));
    }
    CHECK(nearly(result_of_mistake(sim, "P11", "left = lse").out, right.out));
    CHECK_FALSE(nearly(result_of_mistake(sim, "P11", "left = lse").lse, right.lse));
  }
}

TEST_CASE("P4: striped rows masked as contiguous attend to as many future keys as they lose past ones") {
  const RandomProblem<double> p = showing_keys(12);
  const AttentionOutput<double> wrong = result_of_mistake(simulate(p, 3, Layout::striped), "P4",
                                                          "masked as = contiguous, of = queries and keys");
  Index future = 0, missed = 0;
  for (Index i = 0; i < 12; ++i)
    for (Index j = 0; j < 12; ++j) {
      future += j > i && reads(wrong, i, j);
      missed += j <= i && !reads(wrong, i, j);
    }
  CHECK(future > 0);
  CHECK(future == missed);
}

TEST_CASE("P5: with the diagonal visible at every step, rows attend to keys up to P - 1 ahead") {
  const RandomProblem<double> p = showing_keys(12);
  const AttentionOutput<double> wrong = result_of_mistake(simulate(p, 3, Layout::striped), "P5");
  for (Index i = 0; i < 12; ++i)
    for (Index j = 0; j < 12; ++j) CHECK(reads(wrong, i, j) == (j / 3 <= i / 3));
}

TEST_CASE("P6: with the diagonal visible at no step, the first row of every device is empty") {
  const RandomProblem<double> p = showing_keys(12);
  const AttentionOutput<double> wrong = result_of_mistake(simulate(p, 3, Layout::striped), "P6");
  for (Index i = 0; i < 12; ++i) {
    CHECK(std::isinf(wrong.lse(0, i, 0, 0)) == (i < 3));
    for (Index j = 0; j < 12; ++j) CHECK(reads(wrong, i, j) == (j / 3 < i / 3));
  }
}

TEST_CASE("P7: with the diagonal visible at the wrong steps, rows attend to the stated keys") {
  const RandomProblem<double> p = showing_keys(12);
  const Simulation sim = simulate(p, 3, Layout::striped);
  const AttentionOutput<double> behind = result_of_mistake(sim, "P7", "in blocks of later devices"),
                                first = result_of_mistake(sim, "P7", "in the own block only"),
                                not_own = result_of_mistake(sim, "P7", "in blocks of earlier devices only");
  for (Index i = 0; i < 12; ++i)
    for (Index j = 0; j < 12; ++j) {
      const bool before = j / 3 < i / 3, level = j / 3 == i / 3;
      CHECK(reads(behind, i, j) == (before || (level && j > i)));
      CHECK(reads(first, i, j) == (before || j == i));
      CHECK(reads(not_own, i, j) == (before || (level && j < i)));
    }
}
