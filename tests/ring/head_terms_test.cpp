// Tests of the numbers of query heads on a ring: the sink of a row counts once, on the device that owns the row, and
// the distances of ALiBi are those of global positions.

#include <doctest/doctest.h>

#include "tests/support/ring_run.h"
#include "tests/support/traced_run.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

RandomProblem<double> problem_with_sinks(Random& random, const Mask& mask) {
  RandomProblem<double> drawn =
      normal_problem(random, {.B = 2, .Sq = 29, .Skv = 37, .Hq = 4, .Hkv = 2, .D = 3, .Dv = 5});
  drawn.scoring.mask = mask;
  drawn.scoring.sinks = {0.75, 4, minus_infinity<double>, -1.25};
  return drawn;
}

// The ring is exact for every layout and rotation on 1 to 9 devices
void check_every_ring(Random& random, const RandomProblem<double>& drawn) {
  const GroundTruth truth(drawn);
  for (int devices = 1; devices <= 9; ++devices)
    for (const Layout layout : all_layouts)
      for (const Rotation rotate : all_rotations) {
        RingOptions ring = random_options(random);
        ring.devices = devices, ring.layout = layout, ring.rotate = rotate;
        CAPTURE(describe(ring));
        CHECK(worst_error(RingRun<double>(drawn, ring), truth) <= 1e-13);
      }
}

}  // namespace

TEST_CASE("the sink of a row counts once, for every layout and rotation on 1 to 9 devices") {
  Random random(1);
  for (const Mask& mask : {Mask{}, Mask{.causal = true}, Mask{.window_left = 3, .window_right = 2}}) {
    const RandomProblem<double> drawn = problem_with_sinks(random, mask);
    check_every_ring(random, drawn);
  }
}

TEST_CASE_TEMPLATE("on a ring a sink of minus infinity equals no sink, bit for bit", T, float, double) {
  Random random(2);
  for (int n = 0; n < trials(30); ++n) {
    RandomProblem<T> drawn = random_problem(random).template as<T>();
    const RingOptions ring = random_options(random);
    const RingRun<T> without(drawn, ring);
    drawn.scoring.sinks.assign(static_cast<std::size_t>(drawn.extents().Hq), minus_infinity<double>);
    RingRun<T> with(drawn, ring);
    with.gradients.dsinks = {};
    CAPTURE(drawn.describe());
    CAPTURE(describe(ring));
    CHECK(same_bits(with, without));
  }
}

TEST_CASE("with ALiBi the ring is exact, for every layout and rotation on 1 to 9 devices") {
  Random random(4);
  for (const Mask& mask : {Mask{}, Mask{.causal = true}, Mask{.window_left = 3, .window_right = 2}}) {
    RandomProblem<double> drawn = problem_with_sinks(random, mask);
    drawn.scoring.alibi_slopes = {0.5, 0, 0.125, 2}, drawn.scoring.softcap = 1.5;
    check_every_ring(random, drawn);
  }
}

TEST_CASE("in a trace a row starts from its sink, and the checker reports any other start") {
  Random random(3);
  for (const Rotation rotate : all_rotations) {
    RingOptions ring;
    ring.devices = 3, ring.rotate = rotate;
    TracedRun<double> run(problem_with_sinks(random, {.causal = true}), ring);
    CHECK(run.first_violation() == "");
    for (const std::vector<double>& other : {std::vector<double>{}, {0.75, 4, 0, -1.25}, {0.75, 4.5}}) {
      run.header.sinks = other;
      CHECK(run.first_violation().find("from the state before the first key") != std::string::npos);
    }
  }
}
