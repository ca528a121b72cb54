#include "reference/blockwise/feed_forward.h"

#include <doctest/doctest.h>

#include <cmath>

#include "reference/definition/bad_input.h"
#include "reference/definition/random.h"

using namespace ringattn;

namespace {

Matrix<double> normal_matrix(Index rows, Index columns, Random& random) {
  Matrix<double> matrix(rows, columns);
  for (Index i = 0; i < matrix.size(); ++i) matrix.data()[i] = random.normal();
  return matrix;
}

FeedForward<double> random_layer(Index D, Index hidden, Random& random) {
  return {normal_matrix(D, hidden, random), normal_matrix(hidden, 1, random),
          normal_matrix(hidden, D, random), normal_matrix(D, 1, random)};
}

}  // namespace

TEST_CASE("a feed-forward layer taken block by block gives what it gives all at once") {
  Random random(1);
  const FeedForward<double> layer = random_layer(5, 23, random);
  const Matrix<double> X = normal_matrix(37, 5, random), whole = layer.apply(X);
  for (const Index rows : {1, 2, 7, 36, 37, 100}) {
    CAPTURE(rows);
    // 28 sums of products of size one: a few roundings of numbers below 100
    const double error = (layer.apply_blockwise(X, rows) - whole).cwiseAbs().maxCoeff<Eigen::PropagateNaN>();
    CHECK(error <= 28 * 100 * 0x1p-53);
  }
}

TEST_CASE("a feed-forward layer is gelu between two affine maps") {
  Random random(2);
  const FeedForward<double> layer = random_layer(2, 3, random);
  const Matrix<double> X = normal_matrix(1, 2, random), Y = layer.apply(X);
  for (Index out = 0; out < 2; ++out) {
    double y = layer.b2(out);
    for (Index j = 0; j < 3; ++j) {
      const double h = X(0, 0) * layer.W1(0, j) + X(0, 1) * layer.W1(1, j) + layer.b1(j);
      y += h * (1 + std::erf(h / std::sqrt(2.0))) / 2 * layer.W2(j, out);
    }
    CHECK(std::abs(Y(0, out) - y) <= 1e-14 * (1 + std::abs(y)));
  }
}

TEST_CASE("a feed-forward layer whose shapes disagree is refused") {
  Random random(3);
  FeedForward<double> layer = random_layer(4, 6, random);
  CHECK_THROWS_AS(layer.apply(normal_matrix(2, 5, random)), BadInput);
  CHECK_THROWS_AS(layer.apply_blockwise(normal_matrix(2, 4, random), 0), BadInput);
  layer.b1.resize(5);
  CHECK_THROWS_AS(layer.apply(normal_matrix(2, 4, random)), BadInput);
}
