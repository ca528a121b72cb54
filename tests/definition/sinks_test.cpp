// Tests of attention sinks: one number for each query head, an extra term of the softmax without a value.

#include <doctest/doctest.h>

#include <cmath>

#include "reference/blockwise/blockwise_attention.h"
#include "tests/support/comparison_helpers.h"
#include "tests/support/ground_truth.h"
#include "tests/support/special_values.h"

using namespace ringattn;

namespace {

// A random problem in which each query head has a sink
RandomProblem<double> problem_with_sinks(Random& random, const ProblemLimits& limits = {}) {
  RandomProblem<double> drawn = random_problem(random, limits);
  drawn.scoring.sinks.clear();
  for (Index h = 0; h < drawn.extents().Hq; ++h)
    drawn.scoring.sinks.push_back(static_cast<float>(2 * random.normal()));
  return drawn;
}

// The same problem with a further key instead of the sinks: its value is 0, and its score in head h is the sink of h
RandomProblem<double> with_key_of_sinks(const RandomProblem<double>& drawn) {
  const Extents e = drawn.extents();
  RandomProblem<double> other = drawn;
  other.K = Tensor<double>({e.B, e.Skv + 1, e.Hkv, e.D}),
  other.V = Tensor<double>({e.B, e.Skv + 1, e.Hkv, e.Dv});
  for (Index b = 0; b < e.B; ++b)
    for (Index g = 0; g < e.Hkv; ++g) {
      other.K.head(b, g).topRows(e.Skv) = drawn.K.head(b, g);
      other.V.head(b, g).topRows(e.Skv) = drawn.V.head(b, g);
    }

  // A mask of single pairs takes the place of positions: every query sees the further key
  other.scoring.sinks.clear(), other.scoring.mask = {};
  other.q_positions = RowPositions(1, e.Sq), other.kv_positions = RowPositions(1, e.Skv + 1);
  other.bias = PairTensor<double>(e.B, e.Hq, e.Sq, e.Skv + 1);
  other.allowed = PairTensor<bool>(e.B, e.Hq, e.Sq, e.Skv + 1);
  for (Index b = 0; b < e.B; ++b)
    for (Index h = 0; h < e.Hq; ++h)
      for (Index i = 0; i < e.Sq; ++i)
        for (Index j = 0; j <= e.Skv; ++j) {
          const bool last = j == e.Skv;
          other.allowed(b, h, i, j) =
              last || visible(drawn.q_positions.of(b)[static_cast<std::size_t>(i)],
                              drawn.kv_positions.of(b)[static_cast<std::size_t>(j)], drawn.scoring.mask);
          if (last) other.bias(b, h, i, j) = drawn.scoring.sink(h);
        }
  return other;
}

Tensor<double> first_rows(const Tensor<double>& tensor, Index count) {
  std::vector<Index> rows;
  for (Index row = 0; row < count; ++row) rows.push_back(row);
  return select_rows(tensor.view(), rows);
}

}  // namespace

TEST_CASE("a sink is a further key with the value 0 and the sink as its score") {
  Random random(1);
  for (int n = 0; n < 100; ++n) {
    const RandomProblem<double> drawn = problem_with_sinks(random), other = with_key_of_sinks(drawn);
    const GroundTruth truth(drawn);
    CAPTURE(drawn.describe());
    const AttentionOutput<double> found = attention(other.problem());
    CHECK(worst_error(found, truth) <= 1e-13);
    Gradients<double> gradients = attention_vjp(other.problem(), found, drawn.cotangents());
    gradients.dk = first_rows(gradients.dk, drawn.K.shape().S);
    gradients.dv = first_rows(gradients.dv, drawn.K.shape().S);
    gradients.dsinks = truth.gradients.dsinks;
    CHECK(worst_error(gradients, truth) <= 1e-13);
  }
}

TEST_CASE("the weights of the keys of a row and of its sink sum to 1") {
  Random random(2);
  for (int n = 0; n < 100; ++n) {
    RandomProblem<double> drawn = problem_with_sinks(random);
    std::fill_n(drawn.V.data(), drawn.V.size(), 1.0);
    const AttentionOutput<double> found = attention(drawn.problem());
    CAPTURE(drawn.describe());
    double worst = 0;
    for (Index b = 0; b < found.out.shape().B; ++b)
      for (Index h = 0; h < found.out.shape().H; ++h)
        for (Index i = 0; i < found.out.shape().S; ++i)
          worst = std::max(worst, std::abs(found.out(b, i, h, 0) +
                                           std::exp(drawn.scoring.sink(h) - found.lse(b, i, h, 0)) - 1));
    CHECK(worst <= 1e-14);
  }
}

TEST_CASE("a row that sees no key has the output 0 and its sink as lse") {
  Random random(3);
  RandomProblem<double> drawn =
      normal_problem(random, {.Sq = 5, .Skv = 3, .Hq = 4, .Hkv = 2, .D = 2, .Dv = 6});
  drawn.scoring.mask.causal = true;  // bottom-right: the first two queries are before the first key
  drawn.scoring.sinks = {0.5, -1.5, -infinity, 3};
  for (const AttentionOutput<double>& found :
       {attention(drawn.problem()), blockwise_attention(drawn.problem())}) {
    for (Index h = 0; h < 4; ++h)
      for (Index i = 0; i < 2; ++i) {
        CHECK(found.out.head(0, h).row(i).isZero(0));
        CHECK(found.lse(0, i, h, 0) == drawn.scoring.sink(h));
      }

    // The loss depends on the sink of such a row through lse alone
    drawn.dout = Tensor<double>(drawn.dout.shape());
    drawn.dlse = row_tensor<double>(1, 5, 4);
    for (Index h = 0; h < 4; ++h) drawn.dlse(0, 1, h, 0) = 7;
    const Gradients<double> gradients = attention_vjp(drawn.problem(), found, drawn.cotangents());
    for (Index h = 0; h < 4; ++h)
      CHECK(gradients.dsinks(0, 0, h, 0) == (drawn.scoring.sink(h) == -infinity ? 0 : 7));
  }
}

TEST_CASE_TEMPLATE("a sink of minus infinity equals no sink, bit for bit", T, float, double) {
  Random random(4);
  for (int n = 0; n < 50; ++n) {
    RandomProblem<T> drawn = random_problem(random, {.huge_logits = true}).template as<T>();
    const Problem<T> without = drawn.problem();
    drawn.scoring.sinks.assign(static_cast<std::size_t>(drawn.extents().Hq), -infinity);
    const Problem<T> with = drawn.problem();
    CAPTURE(drawn.describe());
    const AttentionOutput<T> definition = attention(without), blockwise = blockwise_attention(without);
    CHECK(same_bits(attention(with), definition));
    CHECK(same_bits(blockwise_attention(with), blockwise));

    Gradients<T> found = blockwise_attention_vjp(with, blockwise, drawn.cotangents());
    const bool dsinks_are_0 = std::all_of(found.dsinks.data(), found.dsinks.data() + found.dsinks.size(),
                                          [](T dsink) { return dsink == 0; });
    CHECK(dsinks_are_0);
    found.dsinks = {};
    CHECK(same_bits(found, blockwise_attention_vjp(without, blockwise, drawn.cotangents())));
  }
}

TEST_CASE_TEMPLATE("a huge sink takes all weight, and one far below the scores takes none", T, float,
                   double) {
  Random random(5);
  for (int n = 0; n < 30; ++n) {
    RandomProblem<T> drawn =
        normal_problem(random, {.B = 2, .Sq = 5, .Skv = 9, .Hq = 4, .Hkv = 2, .D = 3, .Dv = 6})
            .template as<T>();
    const AttentionOutput<T> without = blockwise_attention(drawn.problem());
    drawn.scoring.sinks = {1e4, -1e4, 1e4, -1e4};
    for (const AttentionOutput<T>& found :
         {attention(drawn.problem()), blockwise_attention(drawn.problem())}) {
      for (Index b = 0; b < 2; ++b)
        for (Index h = 0; h < 4; ++h) {
          const bool huge = drawn.scoring.sink(h) > 0;
          if (huge) CHECK(found.out.head(b, h).isZero(0));
          if (huge) CHECK((found.lse.head(b, h).array() == T(1e4)).all());
          if (!huge)
            CHECK(found.out.head(b, h).isApprox(without.out.head(b, h),
                                                T(16) * std::numeric_limits<T>::epsilon()));
        }
      const Gradients<T> gradients = blockwise_attention_vjp(drawn.problem(), found, drawn.cotangents());
      for (const Tensor<T>* gradient : {&gradients.dq, &gradients.dk, &gradients.dv, &gradients.dsinks})
        for (Index b = 0; b < gradient->shape().B; ++b)
          for (Index h = 0; h < gradient->shape().H; ++h) CHECK(gradient->head(b, h).allFinite());
      CHECK(gradients.dsinks(0, 0, 1, 0) == 0);
    }
  }
}
