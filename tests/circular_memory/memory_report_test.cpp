// Tests of what a memory says about itself: what it kept, and how far it is from exact attention.

#include "reference/circular_memory/memory_report.h"

#include <doctest/doctest.h>

#include "reference/definition/attention.h"
#include "reference/definition/error/chunked.h"
#include "tests/circular_memory/random_stream.h"
#include "tests/support/error_message.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

MemoryOptions window_of(Index tokens) {
  MemoryOptions options;
  options.window = tokens;
  return options;
}

}  // namespace

TEST_CASE("the mass that a window keeps is the probability of the keys in it") {
  Random random(1);
  for (int n = 0; n < trials(20); ++n) {
    const RandomProblem<double> drawn = causal_problem(random);
    const Index S = drawn.extents().Skv, window = 1 + random.below(S);
    const ExactRows exact(drawn.problem(), all_rows(S));
    double sum = 0;
    const AttentionOutput<double> full = attention(drawn.problem());
    for (Index b = 0; b < drawn.extents().B; ++b)
      for (Index h = 0; h < drawn.extents().Hq; ++h) {
        const Matrix<double> P = probabilities(drawn.problem(), full.lse, b, h);
        for (const Index row : exact.rows) {
          const Index first = std::max<Index>(0, row - window + 1);
          sum += P.row(row).segment(first, row - first + 1).sum();
        }
      }
    const double rows = static_cast<double>(S * drawn.extents().B * drawn.extents().Hq);
    CHECK(report_memory(drawn.problem(), window_of(window), exact).mass_kept ==
          doctest::Approx(sum / rows).epsilon(1e-14));
  }
}

TEST_CASE(
    "tokens that are only dropped change an output by at most twice their mass times the largest value") {
  Random random(2);
  for (int n = 0; n < trials(20); ++n) {
    const Index S = 1 + random.below(30);
    RandomProblem<double> drawn =
        normal_problem(random, {.Sq = S, .Skv = S, .D = 1 + random.below(5), .Dv = 6 + random.below(3)});
    drawn.scoring.mask.causal = true;
    MemoryOptions options = random_memory(random);
    options.pooled_slots = 0, options.linear = false;
    const Tensor<double> out = circular_attention(drawn.problem(), options);
    const double largest_value = drawn.V.head(0, 0).rowwise().norm().maxCoeff();
    for (const Index row : all_rows(S)) {
      // |out' - out| <= 2 (1 - mass) max |v|, and rounding
      const ExactRows exact(drawn.problem(), {row});
      const double dropped = 1 - report_memory(drawn.problem(), options, exact).mass_kept,
                   change = (out.head(0, 0).row(row) - exact.out.head(0, 0).row(0)).norm();
      CHECK(change <= (2 * dropped + 1e-13) * largest_value);
    }
  }
}

TEST_CASE("the error is the norm of the difference over the norm of exact attention") {
  Random random(3);
  const RandomProblem<double> drawn = normal_problem(random, {.Sq = 11, .Skv = 11, .D = 3, .Dv = 5});
  Problem<double> problem = drawn.problem();
  problem.scoring.mask.causal = true;
  const ExactRows exact(problem, all_rows(11));
  const Tensor<double> out = circular_attention(problem, window_of(4));
  const double difference = (out.head(0, 0) - exact.out.head(0, 0)).norm();
  CHECK(report_memory(problem, window_of(4), exact).error ==
        doctest::Approx(difference / exact.out.head(0, 0).norm()).epsilon(1e-14));
}

TEST_CASE("a report says approximate if a token was pooled or dropped, and what was kept") {
  Random random(4);
  const RandomProblem<double> drawn =
      normal_problem(random, {.B = 2, .Sq = 40, .Skv = 40, .Hq = 3, .Hkv = 1, .D = 4, .Dv = 5});
  Problem<double> problem = drawn.problem();
  problem.scoring.mask.causal = true;
  const ExactRows exact(problem, {20, 39});
  const auto report_of = [&](const MemoryOptions& options) { return report_memory(problem, options, exact); };

  const MemoryReport all = report_of(window_of(40));
  CHECK(all.is_exact());
  CHECK(all.sentence() == "exact up to rounding: it keeps all 40 tokens");
  CHECK(all.mass_kept == doctest::Approx(1).epsilon(1e-14));
  CHECK(all.multiply_adds == 2 * 3 * (40 * 41 / 2) * (4 + 5));

  const MemoryReport window = report_of(window_of(10));
  CHECK_FALSE(window.is_exact());
  CHECK(window.sentence().rfind("approximate: of 40 tokens it keeps 10, and drops 30; attention mass kept 0.",
                                0) == 0);
  CHECK(contains(window.sentence(), "; error against exact attention "));

  MemoryOptions pooled = window_of(9);
  pooled.pooled_slots = 2, pooled.kernel = mean_kernel(4), pooled.linear = true;
  const MemoryReport mixed = report_of(pooled);
  CHECK(contains(mixed.sentence(), "it keeps 12, 8 pooled, 20 in the linear memory; attention mass kept"));
  CHECK(mixed.mass_pooled > 0);
  CHECK(mixed.mass_kept + mixed.mass_pooled < 1);
}
