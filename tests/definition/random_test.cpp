// Tests of the generator: golden numbers, the same on every platform, and the distribution of normal().

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tests/support/comparison_helpers.h"
#include "tests/support/random_problem.h"

using namespace ringattn;

TEST_CASE("the generator is SplitMix64") {
  Random random(1234567);
  for (std::uint64_t expected : {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                 4593380528125082431u, 16408922859458223821u})
    CHECK(random.bits() == expected);
}

TEST_CASE("normal and uniform numbers equal the golden numbers") {
  Random random(1);
  CHECK(random.normal() == 77649 * 0x1p-16);
  CHECK(random.normal() == 24274 * 0x1p-16);
  CHECK(random.normal() == -29037 * 0x1p-16);
  CHECK(random.uniform() == 7151685634788396 * 0x1p-53);
  CHECK(random.below(1000) == 737);
}

TEST_CASE("equal seeds give equal numbers, different seeds different ones") {
  Random a(5), b(5), c(6);
  const Shape shape{2, 3, 4, 5};
  const Tensor<double> first = normal_tensor<double>(shape, a);
  CHECK(identical(normal_tensor<double>(shape, b), first));
  CHECK_FALSE(identical(normal_tensor<double>(shape, c), first));
}

TEST_CASE("normal numbers have mean 0, variance 1, kurtosis 2.9 and stay below 6") {
  Random random(7);
  constexpr int count = 200'000;
  double sum = 0, squares = 0, fourths = 0, largest = 0;
  for (int n = 0; n < count; ++n) {
    const double x = random.normal();
    sum += x, squares += x * x, fourths += x * x * x * x;
    largest = std::max(largest, std::abs(x));
  }
  // Four standard errors: the variances of x, x^2 and x^4 are 1, 1.9 and about 79
  CHECK(std::abs(sum / count) <= 4 * std::sqrt(1.0 / count));
  CHECK(std::abs(squares / count - 1) <= 4 * std::sqrt(1.9 / count));
  CHECK(std::abs(fourths / count - 2.9) <= 4 * std::sqrt(79.0 / count));
  CHECK(largest > 3.5);
  CHECK(largest < 6);
}

TEST_CASE("normal numbers are multiples of 2^-16, hence exact in float") {
  Random random(8);
  for (int n = 0; n < 10'000; ++n) {
    const double x = random.normal();
    CHECK_UNARY(x * 0x1p16 == std::floor(x * 0x1p16) && static_cast<double>(static_cast<float>(x)) == x);
  }
}

TEST_CASE(
    "uniform numbers lie from 0 up to 1 without it, and below(n) gives exactly the numbers 0 .. n - 1") {
  Random random(9);
  double smallest = 1, largest = 0;
  std::int64_t seen[7] = {};
  for (int n = 0; n < 10'000; ++n) {
    const double x = random.uniform();
    smallest = std::min(smallest, x), largest = std::max(largest, x);
    const std::int64_t k = random.below(7);
    REQUIRE((0 <= k && k < 7));
    ++seen[k];
  }
  CHECK(smallest >= 0);
  CHECK(smallest < 1e-3);
  CHECK(largest > 1 - 1e-3);
  CHECK(largest < 1);
  // Six standard deviations of a binomial with p = 1/7
  for (std::int64_t count : seen) CHECK(std::abs(static_cast<double>(count) - 10'000.0 / 7) <= 6 * 35);
}

TEST_CASE("conversion of a random problem to float is exact") {
  Random random(10);
  for (int n = 0; n < 50; ++n) {
    const RandomProblem<double> wide = random_problem(random, {.pair_terms = true, .huge_logits = true});
    const RandomProblem<double> there_and_back = wide.as<float>().as<double>();
    CHECK(identical(there_and_back.Q, wide.Q));
    CHECK(identical(there_and_back.V, wide.V));
    CHECK(there_and_back.describe() == wide.describe());
    CHECK(identical(attention(there_and_back.problem()), attention(wide.problem())));
  }
}

TEST_CASE("random problems cover every kind") {
  Random random(11);
  int empty_rows = 0, grouped = 0, batches = 0, capped = 0, biased = 0, masked = 0, packed = 0, windowed = 0;
  for (int n = 0; n < 200; ++n) {
    const RandomProblem<double> drawn = random_problem(random, {.pair_terms = true});
    const Extents e = drawn.extents();
    const Tensor<double> lse = attention(drawn.problem()).lse;
    empty_rows += std::any_of(lse.data(), lse.data() + lse.size(), [](double x) { return std::isinf(x); });
    grouped += e.Hkv > 1 && e.Hq > e.Hkv;
    batches += e.B > 1;
    capped += drawn.scoring.softcap > 0;
    biased += static_cast<bool>(drawn.problem().bias);
    masked += static_cast<bool>(drawn.problem().allowed);
    packed += drawn.positions_kind == "packed documents";
    windowed += drawn.scoring.mask.window_left >= 0;
  }
  for (int count : {empty_rows, grouped, batches, capped, biased, masked, packed, windowed})
    CHECK(count >= 20);
}
