// Tests of the comparator and of the magnitudes by which it divides; all other tests rely on them.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "reference/definition/error/comparison.h"
#include "reference/definition/error/magnitude.h"
#include "reference/definition/input/bad_input.h"
#include "tests/support/random_problem.h"
#include "tests/support/special_values.h"

using namespace ringattn;

namespace {

constexpr double no_number = std::numeric_limits<double>::quiet_NaN();
constexpr Shape shape{2, 3, 4, 5};

Tensor<double> filled(double number, Shape of = shape) {
  Tensor<double> tensor(of);
  for (Index n = 0; n < tensor.size(); ++n) tensor.data()[n] = number;
  return tensor;
}

Comparison compared(const Tensor<double>& found, const Tensor<double>& truth,
                    const Tensor<double>& magnitude) {
  return compare(found.view(), truth, magnitude);
}

// Compares two tensors of ones that differ in one element: _found_ instead of _truth_
Comparison one_element(double found, double truth, double magnitude = 1) {
  Tensor<double> actual = filled(1), expected = filled(1), sizes = filled(1);
  actual(1, 2, 3, 4) = found, expected(1, 2, 3, 4) = truth, sizes(1, 2, 3, 4) = magnitude;
  return compared(actual, expected, sizes);
}

}  // namespace

TEST_CASE("the error of a tensor against itself is 0, even if its magnitude is 0") {
  const Comparison same = compared(filled(3), filled(3), filled(0));
  CHECK(same.within(0));
  CHECK(same.max_abs_error == 0);
  CHECK(compared(Tensor<double>({1, 0, 1, 2}), Tensor<double>({1, 0, 1, 2}), Tensor<double>({1, 0, 1, 2}))
            .within(0));
}

TEST_CASE("the error is norm(X' - X) / norm(A)") {
  // One of 120 numbers has an error of 0.5; its row has 5 numbers
  const Comparison found = one_element(1.5, 1);
  CHECK(found.max_abs_error == 0.5);
  CHECK(found.relative_error == doctest::Approx(0.5 / std::sqrt(120.0)).epsilon(1e-15));
  CHECK(found.worst_row_error == doctest::Approx(0.5 / std::sqrt(5.0)).epsilon(1e-15));
  CHECK(found.within(0.23));
  CHECK_FALSE(found.within(0.22));

  const Comparison larger_terms = compared(filled(1.5), filled(1), filled(4));
  CHECK(larger_terms.relative_error == doctest::Approx(0.125).epsilon(1e-15));
}

TEST_CASE("a single NaN fails, in the result, in the truth and in the magnitude, at any index") {
  for (Index n = 0; n < shape.size(); ++n) {
    Tensor<double> spoilt = filled(1);
    spoilt.data()[n] = no_number;
    const Comparison comparison = compared(spoilt, filled(1), filled(1));
    CHECK_FALSE(comparison.within(1e300));
    CHECK(comparison.max_abs_error == infinity);
    CHECK(comparison.relative_error == infinity);
    CHECK_FALSE(compared(filled(1), spoilt, filled(1)).within(1e300));
    CHECK_FALSE(compared(spoilt, spoilt, filled(1)).within(1e300));
    CHECK_FALSE(compared(filled(2), filled(1), spoilt).within(1e300));
  }
}

TEST_CASE("infinities must agree: only -inf is correct for the lse of an empty row") {
  CHECK(one_element(-infinity, -infinity).within(0));
  CHECK(one_element(infinity, infinity).within(0));
  CHECK(one_element(-infinity, -infinity, infinity).within(0));
  for (double found : {infinity, -1e300, 0.0, no_number})
    CHECK_FALSE(one_element(found, -infinity, infinity).within(1e300));
  for (double found : {infinity, -infinity}) CHECK_FALSE(one_element(found, 1).within(1e300));
}

TEST_CASE("an infinite truth does not hide errors elsewhere") {
  Tensor<double> found = filled(1), truth = filled(1), sizes = filled(1);
  found(0, 0, 0, 0) = truth(0, 0, 0, 0) = -infinity, sizes(0, 0, 0, 0) = infinity;
  found(0, 0, 0, 1) = 2;
  const Comparison comparison = compared(found, truth, sizes);
  CHECK(comparison.max_abs_error == 1);
  CHECK(comparison.relative_error == doctest::Approx(1 / std::sqrt(119.0)).epsilon(1e-15));
  CHECK(comparison.worst_row_error == doctest::Approx(0.5).epsilon(1e-15));
}

TEST_CASE("a row with magnitude 0 must be exact") {
  Tensor<double> found = filled(1), sizes = filled(1);
  for (Index d = 0; d < 5; ++d) sizes(1, 1, 1, d) = 0;
  CHECK(compared(found, filled(1), sizes).within(0));
  found(1, 1, 1, 2) += 0x1p-52;
  const Comparison comparison = compared(found, filled(1), sizes);
  CHECK(comparison.worst_row_error == infinity);
  CHECK_FALSE(comparison.within(1e300));
}

TEST_CASE("the worst row is located, even if the error of the whole tensor is small") {
  Tensor<double> truth = filled(1), found = filled(1), sizes = filled(1e6);
  for (Index d = 0; d < 5; ++d) sizes(1, 2, 0, d) = 1;
  found(1, 2, 0, 3) += 1e-3;  // a large error in a small row
  found(0, 1, 3, 0) += 1;     // a small one in a large row
  const Comparison comparison = compared(found, truth, sizes);
  CHECK(comparison.worst_b == 1);
  CHECK(comparison.worst_s == 2);
  CHECK(comparison.worst_h == 0);
  CHECK(comparison.relative_error < 1e-6);
  CHECK_FALSE(comparison.within(1e-6));
}

TEST_CASE("tensors of different shapes are rejected") {
  CHECK_THROWS_AS(compared(filled(1, {2, 3, 4, 6}), filled(1), filled(1)), BadInput);
  CHECK_THROWS_AS(compared(filled(1), filled(1, {2, 4, 3, 5}), filled(1, {2, 4, 3, 5})), BadInput);
  CHECK_THROWS_AS(compared(filled(1), filled(1), filled(1, {1, 3, 4, 5})), BadInput);
}

TEST_CASE("float tensors are compared in double, in any axis order") {
  Random random(1);
  const Tensor<double> truth = normal_tensor<double>(shape, random);
  const Tensor<float> found = converted<float>(truth.view(), Axes::sbhd);
  CHECK(compare(found.view(), truth, filled(1)).within(0));
}

TEST_CASE("a magnitude is the formula with the absolute values of its terms") {
  Random random(2);
  const RandomProblem<double> drawn = normal_problem(random, {});
  const Problem<double> problem = drawn.problem();
  const AttentionOutput<double> forward = attention(problem), A = attention_magnitude(problem);
  const Gradients<double> A_grad = vjp_magnitude(problem, forward, drawn.cotangents());

  // One query, one key, one element: P = 1, O = V, scale = 1
  const auto size = [](const Tensor<double>& number) { return std::abs(number(0, 0, 0, 0)); };
  const double W = 2 * size(drawn.dout) * size(drawn.V) + size(drawn.dlse);
  CHECK(size(A.out) == size(drawn.V));
  CHECK(size(A.lse) == 1 + size(forward.lse));
  CHECK(size(A_grad.dq) == doctest::Approx(W * size(drawn.K)).epsilon(1e-15));
  CHECK(size(A_grad.dk) == doctest::Approx(W * size(drawn.Q)).epsilon(1e-15));
  CHECK(size(A_grad.dv) == size(drawn.dout));
}

TEST_CASE("no result exceeds its magnitude") {
  Random random(3);
  for (int n = 0; n < 20; ++n) {
    const RandomProblem<double> drawn = random_problem(random);
    const AttentionOutput<double> forward = attention(drawn.problem()),
                                  A = attention_magnitude(drawn.problem());
    const Gradients<double> gradients = attention_vjp(drawn.problem(), forward, drawn.cotangents());
    const Gradients<double> A_grad = vjp_magnitude(drawn.problem(), forward, drawn.cotangents());
    const auto no_larger = [](const Tensor<double>& result, const Tensor<double>& magnitude) {
      bool all = true;
      for (Index i = 0; i < result.size(); ++i)
        all = all && std::abs(result.data()[i]) <= magnitude.data()[i] * (1 + 1e-13);
      return all;
    };
    CAPTURE(drawn.describe());
    CHECK(no_larger(forward.out, A.out));
    CHECK(no_larger(gradients.dq, A_grad.dq));
    CHECK(no_larger(gradients.dk, A_grad.dk));
    CHECK(no_larger(gradients.dv, A_grad.dv));
  }
}
