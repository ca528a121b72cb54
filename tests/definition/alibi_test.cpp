// Tests of ALiBi: a slope times the distance of query and key is subtracted from a score.

#include <doctest/doctest.h>

#include "reference/blockwise/blockwise_attention.h"
#include "reference/definition/error/key_positions.h"
#include "reference/definition/error/rounding_bound.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/ground_truth.h"

using namespace ringattn;

namespace {

// A random problem in which each query head has a slope
RandomProblem<double> problem_with_slopes(Random& random) {
  RandomProblem<double> drawn = random_problem(random);
  for (Index h = 0; h < drawn.extents().Hq; ++h)
    drawn.scoring.alibi_slopes.push_back(static_cast<float>(random.uniform()));
  return drawn;
}

}  // namespace

TEST_CASE("ALiBi is a bias of minus the slope times the distance of query and key") {
  Random random(1);
  for (int n = 0; n < 100; ++n) {
    const RandomProblem<double> drawn = problem_with_slopes(random);
    const Extents e = drawn.extents();
    RandomProblem<double> biased = drawn;
    biased.scoring.alibi_slopes.clear();
    biased.bias = PairTensor<double>(e.B, e.Hq, e.Sq, e.Skv);
    for (Index b = 0; b < e.B; ++b)
      for (Index h = 0; h < e.Hq; ++h)
        for (Index i = 0; i < e.Sq; ++i)
          for (Index j = 0; j < e.Skv; ++j)
            biased.bias(b, h, i, j) =
                -drawn.scoring.alibi_slope(h) *
                std::abs(static_cast<double>(drawn.q_positions.of(b)[static_cast<std::size_t>(i)].position -
                                             drawn.kv_positions.of(b)[static_cast<std::size_t>(j)].position));
    CAPTURE(drawn.describe());
    const GroundTruth truth(biased);
    const AttentionOutput<double> found = attention(drawn.problem());
    CHECK(worst_error(found, truth) <= 1e-13);
    CHECK(worst_error(attention_vjp(drawn.problem(), found, drawn.cotangents()), truth) <= 1e-13);
  }
}

TEST_CASE_TEMPLATE("a slope of 0 equals no slope, bit for bit", T, float, double) {
  Random random(2);
  for (int n = 0; n < 50; ++n) {
    RandomProblem<T> drawn = random_problem(random, {.huge_logits = true}).template as<T>();
    const Problem<T> without = drawn.problem();
    drawn.scoring.alibi_slopes.assign(static_cast<std::size_t>(drawn.extents().Hq), 0.0);
    const Problem<T> with = drawn.problem();
    CAPTURE(drawn.describe());
    const AttentionOutput<T> forward = blockwise_attention(without);
    CHECK(same_bits(attention(with), attention(without)));
    CHECK(same_bits(blockwise_attention(with), forward));
    CHECK(same_bits(blockwise_attention_vjp(with, forward, drawn.cotangents()),
                    blockwise_attention_vjp(without, forward, drawn.cotangents())));
  }
}

TEST_CASE("the same distance added to all positions changes no bit of a result with ALiBi") {
  Random random(3);
  for (int n = 0; n < 50; ++n) {
    const RandomProblem<double> drawn = problem_with_slopes(random);
    RandomProblem<double> moved = drawn;
    for (RowPositions* positions : {&moved.q_positions, &moved.kv_positions})
      for (Index b = 0; b < positions->sequences(); ++b)
        for (RowPosition& row_position : positions->of(b)) row_position.position += 1000;
    CAPTURE(drawn.describe());
    CHECK(same_bits(attention(moved.problem()), attention(drawn.problem())));
  }
}

TEST_CASE("the standard slopes of 8 heads are 1/2, 1/4, and so on to 1/256") {
  CHECK(standard_alibi_slopes(8) ==
        std::vector<double>{0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625});
  CHECK(standard_alibi_slopes(3)[2] == 1.0 / 256);
}

TEST_CASE("the nearest visible key is that of a search through all keys") {
  Random random(4);
  for (int n = 0; n < 200; ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const Mask& mask = drawn.scoring.mask;
    const auto keys = drawn.kv_positions.of(0);
    const KeyPositions sorted(keys);
    for (const RowPosition& query : drawn.q_positions.of(0)) {
      std::optional<double> nearest;
      for (const RowPosition& key : keys)
        if (visible(query, key, mask))
          nearest = std::min(nearest.value_or(1e9), distance(query.position, key.position));
      CHECK(sorted.nearest_distance(query, mask) == nearest);
    }
  }
}

TEST_CASE("with ALiBi the error in float32 stays within its bound, which does not grow with the sequence") {
  Random random(5);
  for (const Index S : {100, 4000}) {
    RandomProblem<double> drawn = normal_problem(random, {.Sq = 9, .Skv = S, .Hq = 2, .D = 4, .Dv = 3});
    drawn.scoring.alibi_slopes = {1, 0.25};
    const RandomProblem<float> narrow = drawn.as<float>();
    const RoundingBound allowed = rounding_bound(narrow.problem(), Dtype::f32);
    const GroundTruth truth(drawn);
    const AttentionOutput<float> found = blockwise_attention(narrow.problem());
    CHECK(compare<float>(found.out, truth.forward.out, truth.forward_magnitude.out).within(allowed.out));
    CHECK(compare<float>(found.lse, truth.forward.lse, truth.forward_magnitude.lse).within(allowed.lse));
    CHECK(allowed.out <= 1e-5);

    // Queries far from all keys have large scores, and a large bound
    for (RowPosition& query : drawn.q_positions.of(0)) query.position += 100000;
    const RandomProblem<float> far = drawn.as<float>();
    CHECK(rounding_bound(far.problem(), Dtype::f32).out >= 1e-3);
    const GroundTruth far_truth(drawn);
    const AttentionOutput<float> far_found = blockwise_attention(far.problem());
    CHECK(compare<float>(far_found.out, far_truth.forward.out, far_truth.forward_magnitude.out)
              .within(rounding_bound(far.problem(), Dtype::f32).out));
  }
}
