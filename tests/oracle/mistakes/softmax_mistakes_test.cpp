// The mistakes of the online softmax and of the merge: their effects are those that the catalogue describes.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "reference/oracle/mistakes/blocks.h"
#include "tests/oracle/ring.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

const Mistakes& softmax_entries() {
  static const Mistakes all = mistakes_of({Family::online_softmax, Family::merge});
  return all;
}

// One head, no mask
RandomProblem<double> weights_problem(Index Sq, Index Skv, double scale = 1) {
  Random random(1);
  RandomProblem<double> p = normal_problem(random, {.Sq = Sq, .Skv = Skv, .D = 5});
  p.scoring.softmax_scale = scale;
  show_weights(p);
  return p;
}

// The sum of the weights of row _i_: its output if all values are 1
double sum_of_weights(const AttentionOutput<double>& found, Index i) {
  return found.out.head(0, 0).row(i).sum();
}

}  // namespace

TEST_CASE("every softmax mistake gives results of the right shape") {
  Random random(2);
  for (int n = 0; n < trials(25); ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.huge_logits = true});
    const Ring ring{drawn, static_cast<Layout>(random.below(3)), 1 + static_cast<int>(random.below(5))};
    CAPTURE(drawn.describe());
    for (const Mistake& each : softmax_entries())
      for (const Variant& variant : each.variants(ring.sim)) {
        const AttentionOutput<double> found = each.forward(ring.sim, variant);
        CHECK(found.out.shape() == ring.right.out.shape());
        CHECK(found.lse.shape() == ring.right.lse.shape());
      }
  }
}

TEST_CASE("every softmax mistake has an effect on a causal striped ring with large scores") {
  Random random(3);
  RandomProblem<double> drawn = normal_problem(random, {.Sq = 9, .Skv = 140, .Hq = 2, .D = 3, .Dv = 2});
  drawn.q_positions = consecutive_positions(9);
  for (RowPosition& row_position : drawn.q_positions.of(0)) row_position.position *= 8;
  drawn.scoring.softmax_scale = 12;
  drawn.scoring.mask.causal = true;
  const Ring ring(drawn, Layout::striped, 2);
  for (const Mistake& each : softmax_entries()) {
    CAPTURE(each.id);
    bool shows = false;
    for (const Variant& variant : each.variants(ring.sim))
      shows = shows || !same(each.forward(ring.sim, variant), ring.right);
    CHECK(shows);
  }
}

TEST_CASE("a single device with one tile has no merge mistakes") {
  Random random(4);
  const Ring ring(normal_problem(random, {.Sq = 6, .Skv = 15, .Hq = 2, .D = 3, .Dv = 2}), Layout::contiguous,
                  1);
  for (const Mistake& each : softmax_entries()) {
    CAPTURE(each.id);
    const bool needs_no_merge = each.id == "O5" || each.id == "O6" || each.id == "O8" || each.id == "O10";
    CHECK(each.variants(ring.sim).empty() == !needs_no_merge);
  }
}

// ---- The online softmax -----------------------------------------------------

TEST_CASE("O1: lse is right, the last block has the right weight, and no block has too little") {
  const Ring ring(weights_problem(8, 13), Layout::contiguous, 4);
  const AttentionOutput<double> found = ring.of("O1", "tile = the whole ring block");
  CHECK(same(found.lse, ring.right.lse));
  CHECK(!same(found.out, ring.right.out));
  for (Index i = 0; i < 8; ++i) {
    CHECK(near(ring.mass(found, i, 3), ring.mass(ring.right, i, 3)));
    for (int step = 0; step < 3; ++step)
      CHECK(ring.mass(found, i, step) >= ring.mass(ring.right, i, step) * (1 - 1e-12));
  }
}

TEST_CASE("O2: out shrinks by the factor by which exp(lse) grows, O3: the weights still sum to 1") {
  const Ring ring(weights_problem(8, 13), Layout::contiguous, 4);
  const AttentionOutput<double> l = ring.of("O2"), both = ring.of("O3");
  CHECK(!same(l.lse, ring.right.lse));
  CHECK(!same(both.out, ring.right.out));
  CHECK(same(both.lse, l.lse));
  for (Index i = 0; i < 8; ++i) {
    CHECK(near(sum_of_weights(l, i), std::exp(ring.right.lse(0, i, 0, 0) - l.lse(0, i, 0, 0))));
    CHECK(near(sum_of_weights(both, i), 1));
  }
}

TEST_CASE("O4 and O7 have no effect unless the maximum grows") {
  // The last block, which the last device attends to first, has the highest scores, or the lowest
  RandomProblem<double> p = weights_problem(1, 12);
  p.Q.head(0, 0).setZero(), p.Q(0, 0, 0, 0) = 1;
  for (const double direction : {1.0, -1.0}) {
    for (Index j = 0; j < 12; ++j) p.K(0, j, 0, 0) = direction * static_cast<double>(j < 9 ? j : 12);
    const Ring ring(p, Layout::contiguous, 4);
    for (const char* id : {"O4", "O7"})
      for (const char* of : {"of = both", "of = the accumulator", "of = the sum l"}) {
        CAPTURE(id);
        CAPTURE(of);
        CHECK(same(ring.of(id, of), ring.right) == (direction > 0));
      }
  }
}

TEST_CASE("O5: without the division the largest weight is 1") {
  const Ring ring(weights_problem(8, 13), Layout::striped, 3);
  const AttentionOutput<double> found = ring.of("O5");
  CHECK(same(found.lse, ring.right.lse));
  for (Index i = 0; i < 8; ++i) CHECK(near(found.out.head(0, 0).row(i).maxCoeff(), 1));
}

TEST_CASE("O6: a phantom key of score 0 adds 1 to exp(lse), once per initialised state") {
  const Ring ring(weights_problem(8, 13), Layout::contiguous, 4);
  for (const double phantoms : {1.0, 4.0}) {
    const AttentionOutput<double> found =
        ring.of("O6", phantoms == 1 ? "phantom key = score 0, state = carried"
                                    : "phantom key = score 0, state = each block");
    for (Index i = 0; i < 8; ++i) {
      const double sum = std::exp(ring.right.lse(0, i, 0, 0));
      CHECK(near(std::exp(found.lse(0, i, 0, 0)), sum + phantoms));
      CHECK(near(sum_of_weights(found, i), sum / (sum + phantoms)));
    }
  }
}

TEST_CASE("O8: weights are rounded to 8 bits after their sum, and the weight 1 is exact") {
  RandomProblem<double> p = weights_problem(1, 3);
  p.Q.head(0, 0).setZero(), p.Q(0, 0, 0, 0) = 1;
  const double P[] = {1, 0.27, 0.0005};
  for (Index j = 0; j < 3; ++j) p.K(0, j, 0, 0) = std::log(P[j]);
  const Ring one_block(p, Layout::contiguous, 1);
  const AttentionOutput<double> coarse = one_block.of("O8", "format = fp8 e4m3"),
                                coarser = one_block.of("O8", "format = fp8 e5m2");
  CHECK(same(coarse.lse, one_block.right.lse));
  CHECK(near(coarse.out(0, 0, 0, 0), 1 / 1.2705));
  CHECK(near(coarse.out(0, 0, 0, 1), 9.0 / 32 / 1.2705));
  CHECK(coarse.out(0, 0, 0, 2) == 0);
  CHECK(near(coarser.out(0, 0, 0, 1), 4.0 / 16 / 1.2705));
  CHECK(near(coarser.out(0, 0, 0, 2), 4.0 / 8192 / 1.2705));
}

TEST_CASE("O9: NaN in exactly the rows whose first tile is fully masked") {
  RandomProblem<double> p = weights_problem(12, 12);
  p.scoring.mask.window_left = 0;
  p.scoring.mask.causal = true;
  p.q_positions = consecutive_positions(12, 3);  // three rows later, so that another device has the key
  const Ring ring(p, Layout::contiguous, 4);
  const AttentionOutput<double> found = ring.of("O9", "tile = the whole ring block");
  for (Index i = 0; i < 12; ++i) CHECK(std::isnan(found.lse(0, i, 0, 0)));
  p.q_positions = consecutive_positions(12);
  const Ring own(p, Layout::contiguous, 4);
  CHECK(same(own.of("O9", "tile = the whole ring block"), own.right));
}

TEST_CASE("O10: the two terms of lse sum to lse") {
  const Ring ring(weights_problem(8, 13), Layout::zigzag, 2);
  const AttentionOutput<double> m = ring.of("O10", "lse = m"), log_l = ring.of("O10", "lse = log l");
  CHECK(same(m.out, ring.right.out));
  for (Index i = 0; i < 8; ++i)
    CHECK(near(m.lse(0, i, 0, 0) + log_l.lse(0, i, 0, 0), ring.right.lse(0, i, 0, 0)));
}

// ---- The merge --------------------------------------------------------------

TEST_CASE("L1, L2: log weight ratios of blocks are multiplied by 1/ln 2, or by ln 2") {
  const Ring ring(weights_problem(8, 13), Layout::contiguous, 4);
  const AttentionOutput<double> base_2 = ring.of("L1"), base_e = ring.of("L2");
  const auto apart = [&](const AttentionOutput<double>& found, Index i, int step) {
    return std::log(ring.mass(found, i, step) / ring.mass(found, i, 0));
  };
  for (Index i = 0; i < 8; ++i) {
    CHECK(near(sum_of_weights(base_2, i), 1));
    CHECK(near(sum_of_weights(base_e, i), 1));
    for (int step = 1; step < 4; ++step) {
      CHECK(near(apart(base_2, i, step), apart(ring.right, i, step) / std::numbers::ln2));
      CHECK(near(apart(base_e, i, step), apart(ring.right, i, step) * std::numbers::ln2));
    }
  }
}

TEST_CASE("L3: lse is the sum over the blocks, L9, L10: lse is that of the last or first block") {
  const Ring ring(weights_problem(8, 13), Layout::contiguous, 4);
  const AttentionOutput<double> sum = ring.of("L3"), last = ring.of("L9"), first = ring.of("L10");
  for (Index i = 0; i < 8; ++i) {
    const auto lse_b = [&](int step) {
      return ring.right.lse(0, i, 0, 0) + std::log(ring.mass(ring.right, i, step));
    };
    CHECK(near(sum.lse(0, i, 0, 0), lse_b(0) + lse_b(1) + lse_b(2) + lse_b(3)));
    CHECK(near(last.lse(0, i, 0, 0), lse_b(3)));
    CHECK(near(first.lse(0, i, 0, 0), lse_b(0)));
  }
  CHECK(same(last.out, ring.right.out));
  CHECK(same(first.out, ring.right.out));
}

TEST_CASE("L4: the first block has weight 1, in the sigmoid form the weights sum to 1") {
  const Ring ring(weights_problem(8, 13), Layout::contiguous, 4);
  const std::string blocks = "tile = the whole ring block, weights = ";
  const AttentionOutput<double> found = ring.of("L4", blocks + "1 and"),
                                by_sigmoid = ring.of("L4", blocks + "of sigmoid");
  CHECK(same(found.lse, ring.right.lse));
  CHECK(!same(by_sigmoid.out, ring.right.out));
  for (Index i = 0; i < 8; ++i) {
    CHECK(near(ring.mass(found, i, 0), 1));
    CHECK(near(sum_of_weights(by_sigmoid, i), 1));
  }
}

TEST_CASE("L5: two blocks exchange their weights") {
  const Ring ring(weights_problem(8, 13), Layout::contiguous, 2);
  const AttentionOutput<double> found = ring.of("L5");
  for (Index i = 0; i < 8; ++i) {
    CHECK(near(ring.mass(found, i, 0), ring.mass(ring.right, i, 1)));
    CHECK(near(ring.mass(found, i, 1), ring.mass(ring.right, i, 0)));
  }
}

TEST_CASE(
    "L6: all four blocks have weight 1/4, L7: the last 1/2, the one before 1/4, L8: all 1, L15: the last 1") {
  const Ring ring(weights_problem(8, 13), Layout::contiguous, 4);
  const AttentionOutput<double> mean = ring.of("L6"), running = ring.of("L7"), sum = ring.of("L8"),
                                last = ring.of("L15");
  for (Index i = 0; i < 8; ++i)
    for (int step = 0; step < 4; ++step) {
      CHECK(near(ring.mass(mean, i, step), 0.25));
      CHECK(near(ring.mass(running, i, step), step == 0 ? 0.125 : std::exp2(step - 4)));
      CHECK(near(ring.mass(sum, i, step), 1));
      CHECK(near(ring.mass(last, i, step), step == 3 ? 1 : 0));
    }
}

TEST_CASE("L6: the mean is over all blocks, or over the blocks that are not fully masked") {
  RandomProblem<double> p = weights_problem(12, 12);
  p.scoring.mask.causal = true;
  const Ring ring(p, Layout::contiguous, 4);
  const std::string blocks = "tile = the whole ring block, blocks unseen = ";
  const AttentionOutput<double> all = ring.of("L6", blocks + "merged"),
                                seen = ring.of("L6", blocks + "skipped");
  for (Index i = 0; i < 12; ++i) {
    CHECK(near(sum_of_weights(all, i), static_cast<double>(i / 3 + 1) / 4));
    CHECK(near(sum_of_weights(seen, i), 1));
  }
}

TEST_CASE("L11: a score difference of 30 overflows in float16, 90 in float32, 1000 in float64") {
  for (const double height : {5.0, 30.0, 90.0, 1000.0}) {
    RandomProblem<double> p = weights_problem(1, 4);
    p.Q.head(0, 0).setZero(), p.Q(0, 0, 0, 0) = 1;
    for (Index j = 0; j < 4; ++j) p.K(0, j, 0, 0) = j < 2 ? height : 0;
    // The only row is on the last device, which attends to the high block last
    const Ring ring(p, Layout::contiguous, 2);
    const auto overflows = [&](const std::string& format) {
      const AttentionOutput<double> found = ring.of("L11", "tile = the whole ring block, exp in = " + format);
      const bool infinite = found.lse(0, 0, 0, 0) == std::numeric_limits<double>::infinity();
      CHECK(same(found, ring.right) == !infinite);
      return infinite;
    };
    CHECK(overflows("float16") == (height > 11.1));
    CHECK(overflows("float32") == (height > 88.8));
    CHECK(overflows("float64") == (height > 709.8));
  }
}

TEST_CASE("L12: NaN in exactly the rows whose first two blocks are fully masked") {
  RandomProblem<double> p = weights_problem(12, 12);
  p.scoring.mask.window_right = 0, p.scoring.mask.window_left = 0;
  p.q_positions =
      consecutive_positions(12, -6);  // the only visible key is two blocks before the own one, if it exists
  const Ring ring(p, Layout::contiguous, 4);
  const AttentionOutput<double> found =
      ring.of("L12", "tile = the whole ring block, start = the first block");
  for (Index i = 0; i < 12; ++i) CHECK(std::isnan(found.lse(0, i, 0, 0)));
  p.q_positions = consecutive_positions(12, -3);
  const Ring one_before(p, Layout::contiguous, 4);
  const AttentionOutput<double> next =
      one_before.of("L12", "tile = the whole ring block, start = the first block");
  for (Index i = 0; i < 12; ++i) CHECK(std::isnan(next.lse(0, i, 0, 0)) == (i < 3));
}

TEST_CASE("L13: lse is right, and the block weights are those of another row and head") {
  Random random(5);
  RandomProblem<double> p = normal_problem(random, {.Sq = 4, .Skv = 9, .Hq = 3, .Hkv = 1, .D = 3});
  show_weights(p);
  const Ring ring(p, Layout::contiguous, 2);  // two rows per device
  const AttentionOutput<double> heads_first = ring.of("L13", "stored = heads first"),
                                rows_first = ring.of("L13", "stored = rows first");
  CHECK(same(heads_first.lse, ring.right.lse));
  CHECK(same(rows_first.lse, ring.right.lse));
  const auto first_block = [](const AttentionOutput<double>& found, Index row, Index h) {
    return found.out.head(0, h).row(row).head(4).sum();
  };

  // As (row, head), (1, 0) is element 3 of six, which (heads, rows) stores for (1, 1); (0, 1) is element 1, (1, 0)
  CHECK(near(first_block(heads_first, 1, 0), first_block(ring.right, 1, 1)));
  CHECK(near(first_block(heads_first, 0, 1), first_block(ring.right, 1, 0)));
  CHECK(near(first_block(heads_first, 2 + 0, 1), first_block(ring.right, 2 + 1, 0)));

  // As (head, row), (1, 0) is element 2 of six, which (rows, heads) stores for head 2 of row 0; (0, 1) is element 1
  CHECK(near(first_block(rows_first, 0, 1), first_block(ring.right, 0, 2)));
  CHECK(near(first_block(rows_first, 1, 0), first_block(ring.right, 0, 1)));
}

TEST_CASE("L13: no effect if all rows are equal") {
  Random random(6);
  RandomProblem<double> p =
      normal_problem(random, {.B = 2, .Sq = 7, .Skv = 11, .Hq = 4, .Hkv = 2, .D = 3, .Dv = 2});
  const Ring ring(p, Layout::zigzag, 2);
  CHECK(!same(ring.of("L13").out, ring.right.out));
  for (Index b = 0; b < 2; ++b)
    for (Index h = 0; h < 4; ++h) p.Q.head(b, h).setZero();
  const Ring alike(p, Layout::zigzag, 2);
  CHECK(same(alike.of("L13"), alike.right));
}

TEST_CASE("L14: with equal scores, log l alone gives the right weights and m alone equal ones") {
  RandomProblem<double> p = weights_problem(6, 14);
  p.Q.head(0, 0).setZero();
  const Ring ring(p, Layout::contiguous, 4);
  const std::string blocks = "tile = the whole ring block, lse_b = ";
  const AttentionOutput<double> by_m = ring.of("L14", blocks + "m"),
                                by_log_l = ring.of("L14", blocks + "log l");
  CHECK(same(by_log_l, ring.right));
  for (Index i = 0; i < 6; ++i)
    for (int step = 0; step < 4; ++step) CHECK(near(ring.mass(by_m, i, step), 0.25));
}

TEST_CASE("wrong merges within correctly merged blocks leave the weight of every block right") {
  const Ring ring(weights_problem(3, 300), Layout::contiguous, 2);
  const AttentionOutput<double> found = ring.of("L6", "tile = 64, wrong = within blocks only"),
                                throughout = ring.of("L6", "tile = 64, wrong = the whole chain");
  CHECK(!same(found.out, ring.right.out));
  for (Index i = 0; i < 3; ++i) {
    CHECK(near(ring.mass(found, i, 0), ring.mass(ring.right, i, 0)));
    CHECK(near(ring.mass(throughout, i, 0), 0.5));
  }
}
