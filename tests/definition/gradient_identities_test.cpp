// Tests of the backward pass that need no second implementation: sums and inner products that must be equal, and finite
// differences.

#include <doctest/doctest.h>

#include <cmath>

#include "tests/support/comparison_helpers.h"
#include "tests/support/naive_attention.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

namespace {

// The inner product <a, b> of tensors with the same axis order
double dot(const Tensor<double>& a, const Tensor<double>& b) {
  double sum = 0;
  for (Index n = 0; n < a.shape().B; ++n)
    for (Index h = 0; h < a.shape().H; ++h) sum += a.head(n, h).cwiseProduct(b.head(n, h)).sum();
  return sum;
}

double norm(const Tensor<double>& a) { return std::sqrt(dot(a, a)); }

// A problem, its results, and the error bound of the results
struct Solved {
  explicit Solved(const RandomProblem<double>& drawn, bool with_dlse)
      : problem(drawn.problem()),
        cotangents{drawn.dout, with_dlse ? drawn.dlse.view() : TensorView<const double>{}},
        forward(attention(problem)),
        gradients(attention_vjp(problem, forward, cotangents)),
        size(vjp_magnitude(problem, forward, cotangents)),
        bound(float64_bound(problem)) {}

  bool empty(Index b, Index i, Index h) const { return std::isinf(forward.lse(b, i, h, 0)); }

  Problem<double> problem;
  Cotangents<double> cotangents;
  AttentionOutput<double> forward;
  Gradients<double> gradients, size;
  double bound;
};

// Problems whose score is linear in q and k
RandomProblem<double> linear_problem(Random& random) {
  RandomProblem<double> drawn = random_problem(random, {.pair_terms = true});
  drawn.scoring.softcap = 0;
  return drawn;
}

// The error bound of a sum over n rows, each with error _bound_ (Cauchy and Schwarz)
double sum_bound(const Solved& s, Index rows, const Tensor<double>& size) {
  return s.bound * std::sqrt(static_cast<double>(rows)) * norm(size);
}

}  // namespace

TEST_CASE("the rows of dV sum to the sum of the rows of dO with a visible key") {
  Random random(1);
  for (int n = 0; n < 100; ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.pair_terms = true});
    const Solved s(drawn, true);
    Tensor<double> sums({drawn.V.shape().B, 1, drawn.V.shape().H, drawn.V.shape().D});
    for (Index b = 0; b < sums.shape().B; ++b)
      for (Index h = 0; h < drawn.Q.shape().H; ++h)
        for (Index i = 0; i < drawn.Q.shape().S; ++i)
          if (!s.empty(b, i, h)) sums.head(b, s.problem.kv_head(h)) += drawn.dout.head(b, h).row(i);
    CAPTURE(drawn.describe());
    for (Index b = 0; b < sums.shape().B; ++b)
      for (Index g = 0; g < sums.shape().H; ++g)
        CHECK((s.gradients.dv.head(b, g).colwise().sum() - sums.head(b, g)).norm() <=
              sum_bound(s, drawn.V.shape().S, s.size.dv));
  }
}

TEST_CASE("the rows of dK sum to scale dlse q, and to 0 without dlse") {
  Random random(2);
  for (int n = 0; n < 100; ++n) {
    const RandomProblem<double> drawn = linear_problem(random);
    const bool with_dlse = n % 2 == 0;
    const Solved s(drawn, with_dlse);
    const double scale = drawn.scoring.scale(drawn.Q.shape().D);
    Tensor<double> sums({drawn.K.shape().B, 1, drawn.K.shape().H, drawn.K.shape().D});
    for (Index b = 0; b < sums.shape().B; ++b)
      for (Index h = 0; h < drawn.Q.shape().H; ++h)
        for (Index i = 0; i < drawn.Q.shape().S; ++i)
          if (with_dlse && !s.empty(b, i, h))
            sums.head(b, s.problem.kv_head(h)) += scale * drawn.dlse(b, i, h, 0) * drawn.Q.head(b, h).row(i);
    CAPTURE(drawn.describe());
    for (Index b = 0; b < sums.shape().B; ++b)
      for (Index g = 0; g < sums.shape().H; ++g)
        CHECK((s.gradients.dk.head(b, g).colwise().sum() - sums.head(b, g)).norm() <=
              sum_bound(s, drawn.K.shape().S, s.size.dk));
  }
}

TEST_CASE("without dlse, the rows of dK sum to 0 in each document") {
  Random random(3);
  for (int n = 0; n < 50; ++n) {
    RandomProblem<double> drawn = normal_problem(random, {.Sq = 7, .Skv = 9, .Hq = 2, .D = 3, .Dv = 4});
    const PackedPositions documents = packed_positions({0, 3, 7}, {0, 4, 9}, CausalAlign::bottom_right, 7, 9);
    drawn.q_positions = documents.q, drawn.kv_positions = documents.kv;
    const Solved s(drawn, false);
    const auto dK = s.gradients.dk.head(0, 0);
    CHECK(dK.topRows(4).colwise().sum().norm() <= sum_bound(s, 4, s.size.dk));
    CHECK(dK.bottomRows(5).colwise().sum().norm() <= sum_bound(s, 5, s.size.dk));
  }
}

TEST_CASE("<dO, O> = <dV, V>: the output is linear in V") {
  Random random(4);
  for (int n = 0; n < 100; ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.pair_terms = true, .head_terms = true});
    const Solved s(drawn, true);
    const AttentionOutput<double> size = attention_magnitude(s.problem);
    CAPTURE(drawn.describe());
    CHECK(std::abs(dot(drawn.dout, s.forward.out) - dot(s.gradients.dv, drawn.V)) <=
          s.bound * (norm(drawn.dout) * norm(size.out) + norm(s.size.dv) * norm(drawn.V)));
  }
}

TEST_CASE("<dQ, Q> = <dK, K>: scores depend only on the products q . k") {
  Random random(5);
  for (int n = 0; n < 100; ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.pair_terms = true, .head_terms = true});
    const Solved s(drawn, true);
    CAPTURE(drawn.describe());
    CHECK(std::abs(dot(s.gradients.dq, drawn.Q) - dot(s.gradients.dk, drawn.K)) <=
          s.bound * (norm(s.size.dq) * norm(drawn.Q) + norm(s.size.dk) * norm(drawn.K)));
  }
}

namespace {

// The loss <dout, out> + <dlse, lse>, over the rows with a visible key
double loss(const RandomProblem<double>& drawn, bool with_dlse) {
  const AttentionOutput<double> found = attention(drawn.problem());
  double sum = dot(drawn.dout, found.out);
  for (Index n = 0; with_dlse && n < found.lse.size(); ++n)
    if (!std::isinf(found.lse.data()[n])) sum += drawn.dlse.data()[n] * found.lse.data()[n];
  return sum;
}

// The error bound of the loss
double loss_error(const RandomProblem<double>& drawn) {
  const AttentionOutput<double> size = attention_magnitude(drawn.problem());
  double lse = 0;
  for (Index n = 0; n < size.lse.size(); ++n)
    if (!std::isinf(size.lse.data()[n])) lse += size.lse.data()[n] * size.lse.data()[n];
  return float64_bound(drawn.problem()) *
         (norm(drawn.dout) * norm(size.out) + norm(drawn.dlse) * std::sqrt(lse));
}

// A direction of length 1 in the space of Q, K, V and the sinks
struct Direction {
  Direction(const RandomProblem<double>& drawn, Random& random)
      : Q(normal_tensor<double>(drawn.Q.shape(), random)),
        K(normal_tensor<double>(drawn.K.shape(), random)),
        V(normal_tensor<double>(drawn.V.shape(), random)),
        sinks(normal_tensor<double>({1, 1, static_cast<Index>(drawn.scoring.sinks.size()), 1}, random)) {
    const double length = std::sqrt(dot(Q, Q) + dot(K, K) + dot(V, V) + dot(sinks, sinks));
    for (Tensor<double>* tensor : {&Q, &K, &V, &sinks})
      for (Index n = 0; n < tensor->size(); ++n) tensor->data()[n] /= length;
  }

  Tensor<double> Q, K, V, sinks;  // sinks: (1, 1, Hq, 1)
};

double loss_along(const RandomProblem<double>& drawn, const Direction& direction, double step,
                  bool with_dlse) {
  RandomProblem<double> moved = drawn;
  for (Index n = 0; n < moved.Q.size(); ++n) moved.Q.data()[n] += step * direction.Q.data()[n];
  for (Index n = 0; n < moved.K.size(); ++n) moved.K.data()[n] += step * direction.K.data()[n];
  for (Index n = 0; n < moved.V.size(); ++n) moved.V.data()[n] += step * direction.V.data()[n];
  for (Index h = 0; double& sink : moved.scoring.sinks) sink += step * direction.sinks(0, 0, h++, 0);
  return loss(moved, with_dlse);
}

}  // namespace

TEST_CASE("gradients agree with finite differences in random directions") {
  Random random(6);
  constexpr double step = 0x1p-11;
  for (int n = 0; n < 200; ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.pair_terms = true, .head_terms = true});
    const bool with_dlse = n % 4 != 0;
    const Gradients<double> gradients = Solved(drawn, with_dlse).gradients;
    const Direction direction(drawn, random);
    const auto slope = [&](double h) {
      return (loss_along(drawn, direction, h, with_dlse) - loss_along(drawn, direction, -h, with_dlse)) /
             (2 * h);
    };

    // Richardson extrapolation: the error of a central difference is c2 h^2 + c4 h^4 + ...; the first term cancels, the
    // second is less than rounding, (4 * 2 / 2 + 2 / 4) / 3 = 1.5 loss errors divided by the step.
    const double found = (4 * slope(step) - slope(2 * step)) / 3;
    const double truth = dot(gradients.dq, direction.Q) + dot(gradients.dk, direction.K) +
                         dot(gradients.dv, direction.V) + dot(gradients.dsinks, direction.sinks);
    CAPTURE(drawn.describe());
    CHECK(std::abs(found - truth) <= 1.5 * loss_error(drawn) / step);
  }
}
