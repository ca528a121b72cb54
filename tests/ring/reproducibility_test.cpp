// Tests of reproducibility: every bit of a result is determined by the inputs, the number of devices, the layout and
// the rotation.

#include <doctest/doctest.h>

#include "tests/support/ring_run.h"
#include "tests/support/test_links.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// The same ring in lockstep, with copies and overlap
RingOptions plain(RingOptions ring) {
  ring.threads = 1, ring.exchange = Exchange::copy, ring.overlap = true;
  return ring;
}

}  // namespace

TEST_CASE_TEMPLATE("threads, exchange and overlap do not change a bit of the result", T, float, double) {
  Random random(1);
  for (int n = 0; n < trials(25); ++n) {
    const RandomProblem<T> drawn = random_problem(random, {.head_terms = true}).template as<T>();
    RingOptions ring = random_options(random);
    CAPTURE(drawn.describe());
    const RingRun<T> expected(drawn, plain(ring));
    for (int threads : {0, 1, 2, 3})
      for (Exchange exchange : {Exchange::copy, Exchange::move})
        for (bool overlap : {true, false}) {
          ring.threads = threads, ring.exchange = exchange, ring.overlap = overlap;
          CAPTURE(describe(ring));
          CHECK(same_bits(RingRun<T>(drawn, ring), expected));
        }
  }
}

TEST_CASE_TEMPLATE("random delays do not change a bit of the result", T, float, double) {
  Random random(2);
  for (int n = 0; n < trials(50); ++n) {
    const RandomProblem<T> drawn = random_problem(random, {.head_terms = true}).template as<T>();
    RingOptions ring = random_options(random);
    const RingRun<T> expected(drawn, plain(ring));
    ring.threads = n % 4 == 0 ? 3 : 0;
    CAPTURE(drawn.describe());
    CAPTURE(describe(ring));
    CHECK(same_bits(RingRun<T>(drawn, ring, random_delays<T>(random.bits(), ring.devices)), expected));
  }
}

TEST_CASE_TEMPLATE("a device does not read a block after it has passed it on", T, float, double) {
  Random random(3);
  for (int n = 0; n < trials(100); ++n) {
    const RandomProblem<T> drawn = random_problem(random, {.head_terms = true}).template as<T>();
    RingOptions ring = random_options(random);
    ring.exchange = Exchange::copy;
    CAPTURE(drawn.describe());
    CAPTURE(describe(ring));
    CHECK(same_bits(RingRun<T>(drawn, ring, poison_released_blocks<T>()), RingRun<T>(drawn, plain(ring))));
  }
}

TEST_CASE("a repeated run gives the same bits") {
  Random random(4);
  for (int n = 0; n < trials(50); ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const RingOptions ring = random_options(random);
    CHECK(same_bits(RingRun<double>(drawn, ring), RingRun<double>(drawn, ring)));
  }
}

TEST_CASE("the memory layout of the inputs does not change a bit of the result") {
  Random random(5);
  for (int n = 0; n < trials(50); ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    RandomProblem<double> turned = drawn;
    for (Tensor<double>* tensor : {&turned.Q, &turned.K, &turned.V, &turned.dout, &turned.dlse})
      *tensor = converted<double>(tensor->view(), Axes::sbhd);
    const RingOptions ring = random_options(random);
    CHECK(same_bits(RingRun<double>(turned, ring), RingRun<double>(drawn, ring)));
  }
}
