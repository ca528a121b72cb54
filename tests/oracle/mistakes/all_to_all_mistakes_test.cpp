// The mistakes of Ulysses and USP: their effects are those that the catalogue describes.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/oracle/strategy_case.h"

using namespace ringattn;

// ---- Ulysses --------------------------------------------------------------------------

TEST_CASE("U1: head l P + p of the result is head l of device p") {
  const StrategyCase c({.B = 2, .Sq = 9, .Skv = 11, .Hq = 6, .Hkv = 3, .D = 5, .Dv = 4}, 2);
  const AttentionOutput<double> found = c.of("U1", "head l P + p is head l of device p, moved = out and lse");
  const Index source[] = {0, 3, 1, 4, 2, 5};
  for (Index h = 0; h < 6; ++h) {
    CHECK(same_heads(found.out, h, c.right.out, source[h]));
    CHECK(same_heads(found.lse, h, c.right.lse, source[h]));
  }
}

TEST_CASE("U1: with the own heads first, the results of device 0 are right and those of device 1 exchanged") {
  const StrategyCase c({.Sq = 9, .Skv = 11, .Hq = 4, .Hkv = 2, .D = 5, .Dv = 3}, 2);
  const AttentionOutput<double> found = c.of("U1", "own heads first");
  const std::vector<Index>&first = c.sim.sharding().queries.rows_of(0),
        &second = c.sim.sharding().queries.rows_of(1);
  CHECK(same(select_rows(found.out.view(), first), select_rows(c.right.out.view(), first)));
  for (Index h = 0; h < 4; ++h)
    CHECK(same_heads(select_rows(found.out.view(), second), h, select_rows(c.right.out.view(), second),
                     (h + 2) % 4));
  CHECK(same(found.lse, c.right.lse));
}

TEST_CASE("U1, U2, U4, U5, D3: results and gradients in the wrong places keep their sum over all rows") {
  const StrategyCase c({.B = 2, .Sq = 12, .Skv = 12, .Hq = 8, .Hkv = 4, .D = 5, .Dv = 3}, 4, Layout::striped);
  for (const std::string id : {"U1", "U2", "U4"})
    for (const Variant& variant : mistake_of_id(id).variants(c.sim)) {
      if (variant.describe().find("q, k") != std::string::npos)
        continue;  // these results are wrong everywhere
      CAPTURE(id);
      CAPTURE(variant.describe());
      const AttentionOutput<double> found = mistake_of_id(id).forward(c.sim, variant);
      CHECK(!same(found.out, c.right.out));
      CHECK(same_sums(found.out, c.right.out));
      CHECK(same_sums(found.lse, c.right.lse));
    }
  for (const std::string id : {"U5", "D3"})
    for (const Variant& variant : mistake_of_id(id).variants(c.sim)) {
      CAPTURE(id);
      CAPTURE(variant.describe());
      const Gradients<double> found = mistake_of_id(id).backward(c.backward, variant);
      CHECK(same_sums(found.dq, c.backward.gradients().dq));
      CHECK(same_sums(found.dk, c.backward.gradients().dk));
      CHECK(same_sums(found.dv, c.backward.gradients().dv));
    }
}

TEST_CASE("U2: each device has its own results at other rows and heads, or those of its heads") {
  const StrategyCase c({.Sq = 6, .Skv = 7, .Hq = 4, .Hkv = 2, .D = 5, .Dv = 3}, 2);
  const AttentionOutput<double> swapped = c.of("U2", "not transposed, moved = out"),
                                missing = c.of("U2", "inverse = missing, moved = out");
  // Device 1 has the rows 3, 4 and 5; its row 3 holds the elements 0 to 3 of two pieces of (3 rows, 2 heads)
  const auto row = [](const Tensor<double>& out, Index i, Index h) -> Vector<double> {
    return out.head(0, h).row(i).transpose();
  };
  CHECK(row(swapped.out, 3, 2).isApprox(row(c.right.out, 4, 0), 1e-14));
  CHECK(row(swapped.out, 5, 0).isApprox(row(c.right.out, 4, 2), 1e-14));
  // It holds the rows 0, 1, ... of heads 2 and 3
  CHECK(row(missing.out, 3, 0).isApprox(row(c.right.out, 0, 2), 1e-14));
  CHECK(row(missing.out, 4, 3).isApprox(row(c.right.out, 3, 3), 1e-14));
}

TEST_CASE(
    "U3: operands that are cut without a transpose are right with one head on each device and one row") {
  const StrategyCase one_row({.Sq = 2, .Skv = 2, .Hq = 2, .Hkv = 2, .D = 5, .Dv = 3}, 2),
      two_rows({.Sq = 4, .Skv = 4, .Hq = 2, .Hkv = 2, .D = 5, .Dv = 3}, 2);
  CHECK(same(one_row.of("U3"), one_row.right));
  CHECK(!same(two_rows.of("U3"), two_rows.right));
}

TEST_CASE("U4: with operands and results misread, a query attends to keys of another sequence at its place") {
  const StrategyCase c({.B = 3, .Sq = 4, .Skv = 4, .Hq = 2, .Hkv = 2, .D = 5, .Dv = 6}, 2, Layout::contiguous,
                       false);
  // Device 0 has the rows 0 and 1 of the sequences a, b and c, device 1 the rows 2 and 3. They are received in the
  // order a01 b01 c01 a23 b23 c23, and each four of them are read as a sequence: a01 b01, c01 a23, b23 c23
  const auto mixed = [](const Tensor<double>& X) {
    Tensor<double> read(X.shape());
    for (Index h = 0; h < 2; ++h)
      for (Index n = 0; n < 12; ++n)
        read.head(n / 4, h).row(n % 4) = X.head(n / 2 % 3, h).row(n / 6 * 2 + n % 2);
    return read;
  };
  RandomProblem<double> drawn = c.drawn;
  for (Tensor<double>* tensor : {&drawn.Q, &drawn.K, &drawn.V}) *tensor = mixed(*tensor);
  const AttentionOutput<double> of_mixed = attention(drawn.problem()), found = c.of("U4", "out back");
  CHECK(same(mixed(found.out), of_mixed.out));
  CHECK(same(converted<double>(mixed(found.lse).view(), Axes::bhsd), of_mixed.lse));
}

TEST_CASE(
    "U6, U9: with one query head on each device they are the mistakes H1, G18 and G19 of grouped heads") {
  const StrategyCase c({.Sq = 9, .Skv = 10, .Hq = 6, .Hkv = 2, .D = 5, .Dv = 3}, 6);
  CHECK(same(c.of("U6"), c.of("H1", "K and V")));
  CHECK(same(c.gradients_of("U9", "first replica, gradients = dk and dv"),
             c.gradients_of("G18", "head = the first, gradients = dk and dv")));
  CHECK(same(c.gradients_of("U9", "the mean, gradients = dk and dv"),
             c.gradients_of("G19", "gradients = dk and dv")));
}

TEST_CASE(
    "U7: the heads of device 0 are right, and heads that are numbered within device 1 take their sinks") {
  StrategyCase c({.Sq = 9, .Skv = 10, .Hq = 4, .Hkv = 4, .D = 5, .Dv = 3}, 2);
  RandomProblem<double> with_terms = c.drawn;
  with_terms.scoring.sinks = {0.5, -1, 2, 1};
  with_terms.scoring.alibi_slopes = {0.25, 0.5, 0.125, 1};
  const Ring ring(with_terms, Layout::contiguous, 2);
  for (const std::string of : {"K/V head", "sink", "slope"}) {
    CAPTURE(of);
    const AttentionOutput<double> found =
        ring.of("U7", "the " + std::string(of == "slope" ? "ALiBi slope" : of));
    for (Index h = 0; h < 4; ++h) CHECK(same_heads(found.out, h, ring.right.out, h) == (h < 2));
  }
  // Equal numbers hide the mistake
  with_terms.scoring.sinks = {0.5, -1, 0.5, -1};
  const Ring equal(with_terms, Layout::contiguous, 2);
  CHECK(same(equal.of("U7", "the sink"), equal.right));
}

TEST_CASE("U8: the heads beyond a multiple of the devices are empty, all others are right") {
  const StrategyCase c({.Sq = 9, .Skv = 10, .Hq = 7, .Hkv = 7, .D = 5, .Dv = 3}, 3);
  const AttentionOutput<double> found = c.of("U8", "-inf");
  const Gradients<double> gradients = c.gradients_of("U8");
  for (Index h = 0; h < 7; ++h) {
    CHECK(same_heads(found.out, h, c.right.out, h) == (h < 6));
    CHECK(same_heads(gradients.dq, h, c.backward.gradients().dq, h) == (h < 6));
    CHECK(same_heads(gradients.dk, h, c.backward.gradients().dk, h) == (h < 6));
  }
  CHECK(found.out.head(0, 6).isZero(0));
}

// ---- USP ------------------------------------------------------------------------------

TEST_CASE(
    "U10: keys of other groups have weight 0, and each key of the own group counts once for each head of a "
    "ring") {
  RandomProblem<double> drawn =
      StrategyCase::drawn_problem({.Sq = 8, .Skv = 12, .Hq = 2, .Hkv = 2, .D = 3}, false);
  drawn.Q.head(0, 0).setZero(), drawn.Q.head(0, 1).setZero();
  show_weights(drawn);
  const Ring ring(std::move(drawn), Layout::contiguous, 4);
  const AttentionOutput<double> found = ring.of("U10");
  for (Index i = 0; i < 8; ++i)
    for (Index j = 0; j < 12; ++j)
      CHECK(near(found.out(0, i, 0, j) * std::exp(found.lse(0, i, 0, 0)), i / 4 == j / 6 ? 2 : 0));
}

TEST_CASE(
    "U11: without a mask the layout of two dimensions moves right rows, and a wrong mask has no effect") {
  const StrategyCase c({.Sq = 21, .Skv = 22, .Hq = 2, .Hkv = 1, .D = 5, .Dv = 3}, 4, Layout::zigzag, false);
  const AttentionOutput<double> found = c.of("U11", "u = 2, where = out");
  CHECK(!same(found, c.right));
  CHECK(same_sums(found.out, c.right.out));
  CHECK(same(c.of("U11", "u = 2, where = the mask"), c.right));
}
