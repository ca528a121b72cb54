// Tests of blockwise attention on one device: it equals the definition for all tiles.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "reference/blockwise/block_backward.h"
#include "reference/blockwise/block_forward.h"
#include "reference/blockwise/blockwise_attention.h"
#include "reference/blockwise/kernels/tile_kernels.h"
#include "reference/definition/error/rounding_bound.h"
#include "reference/definition/input/bad_input.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/ground_truth.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

// The results of blockwise attention for a problem, forward and backward
template <class T>
struct Blockwise {
  explicit Blockwise(const RandomProblem<T>& drawn, int threads = 1)
      : forward(blockwise_attention(drawn.problem(), threads)),
        gradients(blockwise_attention_vjp(drawn.problem(), forward, drawn.cotangents(), threads)) {}

  AttentionOutput<T> forward;
  Gradients<T> gradients;
};

template <class T>
double worst_error(const Blockwise<T>& found, const GroundTruth& truth) {
  return std::max(worst_error(found.forward, truth), worst_error(found.gradients, truth));
}

// More queries and keys than one tile of 256 and 512 rows
std::vector<RandomProblem<double>> long_problems(Random& random) {
  std::vector<RandomProblem<double>> problems;
  for (const Mask& mask : {Mask{.causal = true}, Mask{.window_left = 100, .window_right = 9}, Mask{}}) {
    problems.push_back(normal_problem(random, {.Sq = 290, .Skv = 601, .Hq = 2, .D = 8, .Dv = 5}));
    problems.back().scoring.mask = mask;
  }
  const PackedPositions documents =
      packed_positions({0, 20, 20, 290}, {0, 3, 40, 601}, CausalAlign::bottom_right, 290, 601);
  problems.back().q_positions = documents.q, problems.back().kv_positions = documents.kv;
  return problems;
}

// Fills the scratch memory, larger than any tile of these tests, with NaN
template <class T>
ScoreTile<T> poisoned() {
  ScoreTile<T> scratch;
  scratch.of(64, 64).setConstant(std::numeric_limits<T>::quiet_NaN());
  return scratch;
}

}  // namespace

TEST_CASE("blockwise attention equals the definition, forward and backward") {
  Random random(1);
  for (int n = 0; n < trials(400); ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.head_terms = true});
    CAPTURE(drawn.describe());
    CHECK(worst_error(Blockwise<double>(drawn), GroundTruth(drawn)) <= 1e-13);
  }
}

TEST_CASE("in float32, blockwise attention differs from the definition only by rounding") {
  Random random(2);
  for (int n = 0; n < trials(400); ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.head_terms = true});
    CAPTURE(drawn.describe());
    CHECK(worst_error(Blockwise<float>(drawn.as<float>()), GroundTruth(drawn)) <= float32_bound(drawn));
  }
}

TEST_CASE("blockwise attention equals the definition for sequences longer than a tile") {
  Random random(3);
  for (const RandomProblem<double>& drawn : long_problems(random)) {
    const GroundTruth truth(drawn);
    CAPTURE(drawn.describe());
    CHECK(worst_error(Blockwise<double>(drawn), truth) <= 1e-13);
    CHECK(worst_error(Blockwise<float>(drawn.as<float>()), truth) <= float32_bound(drawn));
  }
}

TEST_CASE("where positions descend each key is a tile, and the error stays within the bound of rounding") {
  // Equal values: all additions round in the same direction
  Random random(11);
  RandomProblem<double> drawn = normal_problem(random, {.Sq = 2, .Skv = 5000, .D = 3, .Dv = 5});
  drawn.Q = Tensor<double>(drawn.Q.shape());
  for (RowPosition& key : drawn.kv_positions.of(0)) key.position = -key.position;
  for (const double value : {0.7f, 1.1f, 1.9f}) {
    std::fill_n(drawn.V.data(), drawn.V.size(), value);
    const RandomProblem<float> narrow = drawn.as<float>();
    const RoundingBound allowed = rounding_bound(narrow.problem(), Dtype::f32);
    const GroundTruth truth(drawn);
    const AttentionOutput<float> found = blockwise_attention(narrow.problem(), 1);
    CHECK(compare<float>(found.out, truth.forward.out, truth.forward_magnitude.out).within(allowed.out));
    CHECK(compare<float>(found.lse, truth.forward.lse, truth.forward_magnitude.lse).within(allowed.lse));
  }
}

TEST_CASE("blockwise attention equals the definition for huge scores") {
  Random random(4);
  for (int n = 0; n < trials(100); ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.head_terms = true, .huge_logits = true});
    const GroundTruth truth(drawn);
    const Blockwise<float> narrow(drawn.as<float>());
    CAPTURE(drawn.describe());
    CHECK(worst_error(Blockwise<double>(drawn), truth) <= 1e-13 * (1 + largest_score(drawn.problem()) / 64));
    // Compare all rows together: in some rows every term underflows in float
    CHECK(error_of(narrow.forward, truth.forward, truth.forward_magnitude) <= float32_bound(drawn));
    CHECK(error_of(narrow.gradients, truth.gradients, truth.gradients_magnitude) <= float32_bound(drawn));
  }
}

TEST_CASE_TEMPLATE("any number of threads gives the same bits", T, float, double) {
  Random random(5);
  for (int n = 0; n < trials(50); ++n) {
    const RandomProblem<T> drawn = random_problem(random, {.head_terms = true}).template as<T>();
    const Blockwise<T> one(drawn);
    for (int threads : {2, 7}) {
      const Blockwise<T> many(drawn, threads);
      CHECK(same_bits(many.forward, one.forward));
      CHECK(same_bits(many.gradients, one.gradients));
    }
  }
}

TEST_CASE_TEMPLATE("the previous contents of the scratch memory, even NaN, do not change the result", T,
                   float, double) {
  Random random(6);
  for (int n = 0; n < trials(100); ++n) {
    const RandomProblem<T> drawn = random_problem(random).template as<T>();
    const Problem<T> problem = drawn.problem();
    const Shape& q = problem.Q.shape;
    const BlockPair<T> pair{drawn.Q, drawn.K, drawn.V, drawn.q_positions, drawn.kv_positions, drawn.scoring};
    const auto forward = [&](ScoreTile<T> scratch) {
      SoftmaxState<T> state(problem.out_shape());
      for (Index b = 0; b < q.B; ++b)
        for (Index h = 0; h < q.H; ++h) attend(pair, b, h, state, scratch);
      return state.finish();
    };
    const AttentionOutput<T> clean = forward({});
    CHECK(same_bits(forward(poisoned<T>()), clean));

    const Tensor<T> row_term = row_terms_of<T>(drawn.cotangents(), clean.out, clean.lse);
    const auto backward = [&](BackwardScratch<T> scratch) {
      Gradients<T> gradients{Tensor<T>(q), Tensor<T>(problem.K.shape), Tensor<T>(problem.V.shape)};
      for (Index b = 0; b < q.B; ++b)
        for (Index h = 0; h < q.H; ++h)
          attend_backward(pair, {drawn.dout, clean.lse, row_term}, b, h, gradients, scratch);
      return gradients;
    };
    CHECK(same_bits(backward({poisoned<T>(), poisoned<T>()}), backward({})));
  }
}

TEST_CASE_TEMPLATE("a key whose weight underflows contributes exactly nothing, forward or backward", T, float,
                   double) {
  constexpr Index keys = 37;
  Random random(9);
  RandomProblem<T> drawn = normal_problem(random, {.Sq = 3, .Skv = keys, .D = 1, .Dv = 2}).template as<T>();
  drawn.Q.head(0, 0).setOnes();
  for (Index j = 0; j < keys; ++j) {
    const bool far = j % 2 == 1;
    drawn.K(0, j, 0, 0) = far ? T(-2000) : T(0);
    for (Index d = 0; d < 2; ++d) drawn.V(0, j, 0, d) = far ? std::numeric_limits<T>::max() / 64 : T(d);
  }
  const Blockwise<T> found(drawn);
  for (Index i = 0; i < 3; ++i) {
    CHECK(found.forward.out(0, i, 0, 0) == 0);
    CHECK(found.forward.out(0, i, 0, 1) == doctest::Approx(1));
  }
  for (Index j = 1; j < keys; j += 2) {
    CHECK(found.gradients.dk(0, j, 0, 0) == 0);
    for (Index d = 0; d < 2; ++d) CHECK(found.gradients.dv(0, j, 0, d) == 0);
  }
}

TEST_CASE_TEMPLATE("a NaN score has a NaN weight", T, float, double) {
  constexpr Index keys = 37;
  for (Index nan = 0; nan < keys; ++nan) {
    Eigen::Array<T, keys, 1> scores;
    scores.setZero();
    scores(nan) = std::numeric_limits<T>::quiet_NaN();
    tile_kernels<T>().exponentiate(scores.data(), keys, T(1));
    for (Index j = 0; j < keys; ++j) CHECK(std::isnan(scores(j)) == (j == nan));
  }
}

TEST_CASE("the axis order in memory does not change the result") {
  Random random(7);
  for (int n = 0; n < trials(50); ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const Blockwise<double> straight(drawn);
    for (Axes axes : {Axes::bhsd, Axes::sbhd}) {
      RandomProblem<double> turned = drawn;
      for (Tensor<double>* tensor : {&turned.Q, &turned.K, &turned.V, &turned.dout, &turned.dlse})
        *tensor = converted<double>(tensor->view(), axes);
      const Blockwise<double> found(turned);
      CHECK(same_bits(found.forward, straight.forward));
      CHECK(same_bits(found.gradients, straight.gradients));
    }
  }
}

TEST_CASE("a bias or a boolean mask is rejected") {
  Random random(8);
  RandomProblem<double> drawn = normal_problem(random, {.Sq = 3, .Skv = 4, .D = 2, .Dv = 2});
  drawn.bias = PairTensor<double>(1, 1, 3, 4);
  CHECK_THROWS_AS(blockwise_attention(drawn.problem()), BadInput);
  CHECK_THROWS_AS(blockwise_attention_vjp(drawn.problem(), attention(drawn.problem()), drawn.cotangents()),
                  BadInput);
}
