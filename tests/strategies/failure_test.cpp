// Tests of failure: whichever device fails, and at whichever message, all devices of a strategy stop.

#include <doctest/doctest.h>

#include "tests/strategies/strategy_run.h"
#include "tests/support/error_message.h"
#include "tests/support/test_links.h"
#include "tests/support/trials.h"

using namespace ringattn;

TEST_CASE("with every strategy, a link that fails at any call of any device stops all devices") {
  Random random(1);
  for (const Strategy strategy : all_strategies)
    for (const int threads : {0, 1}) {
      const RandomProblem<double> drawn =
          normal_problem(random, {.Sq = 5, .Skv = 7, .Hq = 4, .Hkv = 4, .D = 2, .Dv = 3});
      StrategyOptions options = random_strategy(random, strategy, drawn, 4);
      options.ring.threads = threads;
      CAPTURE(describe(options));
      for (int device = 0; device < options.ring.devices; ++device) {
        // Fail at call 0, 1, ... until the device makes no such call
        bool failed = true;
        int call = 0;
        for (; failed; ++call) {
          const std::string error = error_message([&] {
            StrategyRun<double>(drawn, options, before_each_call<double>([=, calls = 0](int caller) mutable {
                                  if (caller == device && calls++ == call)
                                    throw std::runtime_error("the cable broke");
                                }));
          });
          failed = !error.empty();
          if (failed) CHECK(error == "the cable broke");
          REQUIRE(call < 200);
        }
        CHECK(call > 1);
      }
    }
}

TEST_CASE("with every strategy the results do not depend on when messages arrive") {
  Random random(2);
  for (int n = 0; n < trials(3); ++n)
    for (const Strategy strategy : all_strategies) {
      const RandomProblem<double> drawn = random_problem(random);
      StrategyOptions options = random_strategy(random, strategy, drawn);
      options.ring.threads = 1;
      const StrategyRun<double> expected(drawn, options);
      options.ring.threads = 0;
      CAPTURE(describe(options));
      CHECK(same_bits(StrategyRun<double>(drawn, options, random_delays<double>(17, options.ring.devices)),
                      expected));
    }
}
