// Tests that ring attention is exact: with every layout, rotation and number of devices it equals the definition.

#include <doctest/doctest.h>

#include "reference/blockwise/blockwise_attention.h"
#include "reference/definition/input/bad_input.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/ring_run.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// Options with all layouts and rotations; the rest is random
std::vector<RingOptions> random_rings(Random& random, int most_devices = 9) {
  std::vector<RingOptions> rings;
  for (Layout layout : all_layouts)
    for (Rotation rotate : all_rotations) {
      rings.push_back(random_options(random, most_devices));
      rings.back().layout = layout, rings.back().rotate = rotate;
    }
  return rings;
}

// Checks forward and backward against the definition
void check_exact(const RandomProblem<double>& drawn, const std::vector<RingOptions>& rings,
                 double bound = 1e-13) {
  const GroundTruth truth(drawn);
  CAPTURE(drawn.describe());
  for (const RingOptions& ring : rings) {
    CAPTURE(describe(ring));
    CHECK(worst_error(RingRun<double>(drawn, ring), truth) <= bound);
  }
}

}  // namespace

TEST_CASE("ring attention equals the definition, forward and backward") {
  Random random(1);
  for (int n = 0; n < trials(80); ++n)
    check_exact(random_problem(random, {.head_terms = true}), random_rings(random));
}

TEST_CASE("ring attention is exact for every layout, rotation and mask on 1 to 9 devices") {
  Random random(2);
  for (const Mask& mask :
       {Mask{}, Mask{.causal = true}, Mask{.window_left = 5}, Mask{.window_left = 3, .window_right = 2}}) {
    RandomProblem<double> drawn =
        normal_problem(random, {.B = 2, .Sq = 29, .Skv = 37, .Hq = 4, .Hkv = 2, .D = 3, .Dv = 5});
    drawn.scoring.mask = mask;
    for (int devices = 1; devices <= 9; ++devices) {
      std::vector<RingOptions> rings = random_rings(random);
      for (RingOptions& ring : rings) ring.devices = devices;
      check_exact(drawn, rings);
    }
  }
}

TEST_CASE("in float32 ring attention differs from the definition by rounding only") {
  Random random(3);
  for (int n = 0; n < trials(60); ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.head_terms = true});
    const RandomProblem<float> narrow = drawn.as<float>();
    const GroundTruth truth(drawn);
    CAPTURE(drawn.describe());
    for (const RingOptions& ring : random_rings(random)) {
      CAPTURE(describe(ring));
      CHECK(worst_error(RingRun<float>(narrow, ring), truth) <= float32_bound(drawn));
    }
  }
}

TEST_CASE("huge scores do not overflow") {
  Random random(4);
  for (int n = 0; n < trials(30); ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.head_terms = true, .huge_logits = true});
    check_exact(drawn, random_rings(random), 1e-13 * (1 + largest_score(drawn.problem()) / 64));
  }
}

TEST_CASE("with more devices than rows some shards are empty, and the result is exact") {
  Random random(5);
  for (int n = 0; n < trials(10); ++n)
    check_exact(random_problem(random, {.longest = 4, .widest = 4, .head_terms = true}),
                random_rings(random, 40));
}

TEST_CASE("without queries the result is empty, and without keys it is 0") {
  Random random(6);
  for (const Extents& extents :
       {Extents{.B = 2, .Sq = 0, .Skv = 5, .D = 3, .Dv = 2},
        Extents{.B = 2, .Sq = 5, .Skv = 0, .D = 3, .Dv = 2},
        Extents{.B = 2, .Sq = 0, .Skv = 0, .D = 3, .Dv = 2}, Extents{.B = 0, .Sq = 4, .Skv = 5}})
    check_exact(normal_problem(random, extents), random_rings(random));
}

TEST_CASE("ring attention is exact for shards longer than a tile") {
  Random random(7);
  RandomProblem<double> drawn = normal_problem(random, {.Sq = 520, .Skv = 1030, .D = 4, .Dv = 3});
  drawn.scoring.mask.causal = true;
  std::vector<RingOptions> rings = random_rings(random);
  for (RingOptions& ring : rings) ring.devices = 2;
  check_exact(drawn, rings);
}

TEST_CASE("on one device ring attention equals blockwise attention, bit for bit") {
  Random random(8);
  for (int n = 0; n < trials(50); ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const AttentionOutput<double> forward = blockwise_attention(drawn.problem());
    const Gradients<double> gradients = blockwise_attention_vjp(drawn.problem(), forward, drawn.cotangents());
    for (Rotation rotate : all_rotations) {
      RingOptions alone;
      alone.rotate = rotate;
      const RingRun<double> found(drawn, alone);
      CHECK(identical(found.forward, forward));
      CHECK(identical(found.gradients, gradients));
    }
  }
}

TEST_CASE("strided inputs give the same bits as contiguous ones") {
  Random random(9);
  const RandomProblem<double> drawn =
      normal_problem(random, {.B = 2, .Sq = 11, .Skv = 13, .Hq = 2, .Hkv = 2, .D = 3, .Dv = 4});
  // K is every second element of a wider tensor; the other elements are NaN
  Tensor<double> wide({2, 13, 2, 6}, Axes::sbhd);
  std::fill_n(wide.data(), wide.size(), std::numeric_limits<double>::quiet_NaN());
  const Strides& s = wide.strides();
  const TensorView<double> K{wide.data(), drawn.K.shape(), {s.B, s.S, s.H, 2}};
  for (Index b = 0; b < 2; ++b)
    for (Index h = 0; h < 2; ++h) K.head(b, h) = drawn.K.head(b, h);

  Problem<double> problem = drawn.problem();
  problem.K = K;
  for (const RingOptions& ring : random_rings(random)) {
    const RingRun<double> straight(drawn, ring);
    const AttentionOutput<double> forward = ring_attention(problem, ring);
    CHECK(same_bits(forward, straight.forward));
    CHECK(same_bits(ring_attention_vjp(problem, forward, drawn.cotangents(), ring), straight.gradients));
  }
}

TEST_CASE("ring attention is exact on many devices with one thread each") {
  Random random(10);
  RandomProblem<double> drawn = normal_problem(random, {.Sq = 300, .Skv = 1100, .D = 2, .Dv = 3});
  drawn.scoring.mask.causal = true;
  RingOptions ring;
  ring.devices = trials(10) > 10 ? 1024 : trials(10) == 10 ? 128 : 48;
  ring.layout = Layout::zigzag;
  for (Rotation rotate : all_rotations) {
    ring.rotate = rotate;
    check_exact(drawn, {ring});
  }
}

TEST_CASE("invalid options and unsupported masks throw BadInput") {
  Random random(11);
  const RandomProblem<double> drawn = normal_problem(random, {.Sq = 3, .Skv = 4, .D = 2, .Dv = 2});
  RandomProblem<double> with_bias = drawn, with_mask = drawn;
  with_bias.bias = PairTensor<double>(1, 1, 3, 4);
  with_mask.allowed = PairTensor<bool>(1, 1, 3, 4);
  RingOptions no_devices, fewer_than_no_threads;
  no_devices.devices = 0, fewer_than_no_threads.threads = -1;
  const AttentionOutput<double> forward = attention(drawn.problem());

  for (const RandomProblem<double>& refused : {with_bias, with_mask}) {
    CHECK_THROWS_AS(ring_attention(refused.problem(), {}), BadInput);
    CHECK_THROWS_AS(ring_attention_vjp(refused.problem(), forward, drawn.cotangents(), {}), BadInput);
  }
  for (const RingOptions& refused : {no_devices, fewer_than_no_threads}) {
    CHECK_THROWS_AS(ring_attention(drawn.problem(), refused), BadInput);
    CHECK_THROWS_AS(ring_attention_vjp(drawn.problem(), forward, drawn.cotangents(), refused), BadInput);
  }
}
