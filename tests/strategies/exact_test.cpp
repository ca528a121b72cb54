// Tests that every strategy is exact: whatever the messages, the result equals the definition.

#include <doctest/doctest.h>

#include "reference/definition/input/bad_input.h"
#include "tests/strategies/strategy_run.h"
#include "tests/support/error_message.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

void check_exact(const RandomProblem<double>& drawn, const StrategyOptions& options, double bound = 1e-13) {
  const GroundTruth truth(drawn);
  CAPTURE(drawn.describe());
  CAPTURE(describe(options));
  const StrategyRun<double> run(drawn, options);
  CHECK(worst_error(run.forward, truth) <= bound);
  if (run.gradients) CHECK(worst_error(*run.gradients, truth) <= bound);
}

}  // namespace

TEST_CASE("every strategy equals the definition, forward and backward") {
  Random random(1);
  for (const Strategy strategy : all_strategies) {
    int ran = 0;
    for (int n = 0; n < trials(60); ++n) {
      const RandomProblem<double> drawn = random_problem(random, {.head_terms = true});
      const StrategyOptions options = random_strategy(random, strategy, drawn);
      check_exact(drawn, options);
      ran += options.strategy == strategy && options.ring.devices > 1 ? 1 : 0;
    }
    CAPTURE(name(strategy));
    CHECK(ran > trials(60) / 4);
  }
}

TEST_CASE("every strategy is exact for every layout on 1, 2, 3, 5, 8 and 16 devices, with any mask") {
  Random random(2);
  const Mask masks[] = {{}, {.causal = true}, {.window_left = 3, .window_right = 2}};
  for (int n = 0; n < trials(1); ++n)
    for (const Layout layout : all_layouts)
      for (const int devices : {1, 2, 3, 5, 8, 16})
        for (const Strategy strategy : all_strategies) {
          // Heads that any number of groups shares, and rows that no number of devices divides
          const Index kv_heads = devices % 2 == 0 ? 2 : 2 * devices;
          RandomProblem<double> drawn = normal_problem(
              random,
              {.B = 2, .Sq = 29, .Skv = 37, .Hq = 4 * Index{devices}, .Hkv = kv_heads, .D = 3, .Dv = 5});
          drawn.scoring.mask = masks[random.below(3)];
          StrategyOptions options = random_strategy(random, strategy, drawn, devices);
          options.ring.layout = layout;
          REQUIRE(options.strategy == strategy);
          check_exact(drawn, options);
        }
}

TEST_CASE("huge scores overflow in no strategy") {
  Random random(3);
  for (int n = 0; n < trials(10); ++n)
    for (const Strategy strategy : all_strategies) {
      const RandomProblem<double> drawn = random_problem(random, {.head_terms = true, .huge_logits = true});
      check_exact(drawn, random_strategy(random, strategy, drawn),
                  1e-13 * (1 + largest_score(drawn.problem()) / 64));
    }
}

TEST_CASE("a strategy is exact if most devices have no rows") {
  Random random(4);
  for (int n = 0; n < trials(10); ++n)
    for (const Strategy strategy : all_strategies) {
      const RandomProblem<double> drawn =
          random_problem(random, {.longest = 4, .widest = 4, .head_terms = true});
      check_exact(drawn, random_strategy(random, strategy, drawn, 12));
    }
}

TEST_CASE("every strategy gives the same bits on threads, in lockstep, and if blocks are moved") {
  Random random(5);
  for (int n = 0; n < trials(10); ++n)
    for (const Strategy strategy : all_strategies) {
      const RandomProblem<double> drawn = random_problem(random, {.head_terms = true});
      StrategyOptions options = random_strategy(random, strategy, drawn);
      options.ring.threads = 1, options.ring.exchange = Exchange::copy, options.ring.overlap = true;
      CAPTURE(drawn.describe());
      CAPTURE(describe(options));
      const StrategyRun<double> expected(drawn, options);
      for (const int threads : {0, 2})
        for (const Exchange exchange : {Exchange::copy, Exchange::move})
          for (const bool overlap : {true, false}) {
            options.ring.threads = threads, options.ring.exchange = exchange, options.ring.overlap = overlap;
            CHECK(same_bits(StrategyRun<double>(drawn, options), expected));
          }
    }
}

TEST_CASE("after tree decoding all devices have the same bits") {
  Random random(6);
  for (int devices = 1; devices <= 13; ++devices) {
    const RandomProblem<double> drawn =
        normal_problem(random, {.B = 2, .Sq = 3, .Skv = 41, .Hq = 4, .Hkv = 2, .D = 5, .Dv = 3});
    RingOptions ring;
    ring.devices = devices;
    InProcessTransport<double> transport(devices, 1, Exchange::copy);
    const auto results = tree_attention(drawn.problem(), ring, transport);
    for (const AttentionOutput<double>& result : results) CHECK(same_bits(result, results.front()));
  }
}

TEST_CASE("a strategy that cannot compute a problem says why, and what to do") {
  const auto refusal = [&](StrategyOptions options, int devices, bool backward = false) {
    options.ring.devices = devices;
    return error_message([&] { check_strategy(options, 12, 6, backward); });
  };
  CHECK(refusal({.strategy = Strategy::tree}, 4, true) ==
        "[tree] decoding has no backward pass; found one; choose another strategy");
  CHECK(refusal({.strategy = Strategy::double_ring, .group = 3}, 4) ==
        "[double-ring] groups must have equal numbers of devices; found 4 devices in groups of 3; choose a "
        "divisor of 4");
  CHECK(
      refusal({.strategy = Strategy::ulysses}, 5) ==
      "[ulysses] the devices of a group share the query heads equally; found 12 heads for 5 devices; choose "
      "a divisor of 12 as the size of a group");
  CHECK(refusal({.strategy = Strategy::usp, .group = 4}, 8) ==
        "[usp] the devices of a group share the K/V heads equally, or several share one; found 6 K/V heads "
        "for 4 devices; choose a divisor or a multiple of 6");
  CHECK(refusal({.strategy = Strategy::usp, .group = 12}, 12) == "");
}
