// Tests of the kernels of a tile, on every level of processors that this machine supports.

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "reference/blockwise/kernels/tile_kernels.h"
#include "reference/definition/random.h"
#include "tests/support/trials.h"

using namespace ringattn;

namespace {

template <class T>
constexpr long double unit = std::numeric_limits<T>::epsilon() / 2;

// A matrix of random numbers between numbers that do not belong to it; possibly stored by columns
template <class T>
struct StoredMatrix {
  Index rows, cols, row, col;
  std::vector<T> memory;

  StoredMatrix(Random& random, Index m, Index n, bool by_columns) : rows(m), cols(n) {
    const Index padding = random.below(5);
    row = by_columns ? 1 : n + padding, col = by_columns ? m + padding : 1;
    memory.resize(static_cast<std::size_t>(m * n + padding * std::max(m, n) + 1));
    for (T& x : memory) x = static_cast<T>(random.normal());
  }
  MatrixView<T> view() { return {memory.data(), rows, cols, row, col}; }
  T& operator()(Index i, Index j) { return memory[static_cast<std::size_t>(i * row + j * col)]; }
};

template <class T>
void check_product(Random& random, const TileKernels<T>& kernels) {
  const Index m = 1 + random.below(40), n = 1 + random.below(90), terms = random.below(300);
  StoredMatrix<T> A(random, m, terms, random.below(2) == 0), B(random, terms, n, random.below(2) == 0),
      C(random, m, n, false);
  const bool add = random.below(2) == 0;
  const T scale = static_cast<T>(random.normal());
  const StoredMatrix<T> before = C;
  (add ? kernels.multiply_add : kernels.multiply)(scale, A.view(), B.view(), C.view());

  // |error| <= (terms + 3) u (|scale| sum |a b| + |C|): one rounding for each operation
  StoredMatrix<T> expected = before;
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      long double sum = 0, magnitude = 0;
      for (Index k = 0; k < terms; ++k) {
        const long double product = static_cast<long double>(A(i, k)) * B(k, j);
        sum += product, magnitude += std::abs(product);
      }
      const long double old = add ? expected(i, j) : T(0), factor = scale,
                        error = C(i, j) - (old + factor * sum),
                        bound = static_cast<long double>(terms + 3) * unit<T> *
                                (std::abs(factor) * magnitude + std::abs(old));
      CHECK(std::abs(error) <= bound);
      expected(i, j) = C(i, j);
    }
  // All other numbers are as before
  CHECK(C.memory == expected.memory);
}

}  // namespace

TEST_CASE_TEMPLATE(
    "on every level of processors a product is right to rounding, whatever its sizes and strides", T, float,
    double) {
  Random random(1);
  for (const ProcessorLevel& level : processor_levels()) {
    CAPTURE(level.name);
    for (int n = 0; n < trials(60); ++n) check_product(random, level.kernels<T>());
  }
}

TEST_CASE_TEMPLATE("equal rows and equal columns have equal products, wherever they are in the matrix", T,
                   float, double) {
  Random random(2);
  for (const ProcessorLevel& level : processor_levels()) {
    const Index m = 29, n = 75, terms = 200;
    StoredMatrix<T> A(random, m, terms, false), B(random, terms, n, true), C(random, m, n, false);
    for (Index k = 0; k < terms; ++k) {
      for (Index i = 1; i < m; ++i) A(i, k) = A(0, k);
      for (Index j = 1; j < n; ++j) B(k, j) = B(k, 0);
    }
    level.kernels<T>().multiply(T(0.3), A.view(), B.view(), C.view());
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < n; ++j) CHECK(C(i, j) == C(0, 0));
  }
}

TEST_CASE_TEMPLATE("the error of the exponential is at most 2 units of rounding, and no result is subnormal",
                   T, float, double) {
  Random random(3);
  constexpr T smallest = std::numeric_limits<T>::min();
  for (const ProcessorLevel& level : processor_levels()) {
    for (int n = 0; n < trials(500); ++n) {
      std::vector<T> x(static_cast<std::size_t>(1 + random.below(40)));
      for (T& each : x) each = static_cast<T>(std::log(smallest) * 1.1 * random.uniform());
      std::vector<T> power = x;
      const T sum = level.kernels<T>().exponentiate(power.data(), static_cast<Index>(x.size()), T(0));

      long double total = 0;
      for (std::size_t i = 0; i < x.size(); ++i) {
        const long double truth = std::exp(static_cast<long double>(x[i]));
        CHECK((power[i] == 0 || power[i] >= smallest));
        CHECK(std::abs(power[i] - truth) <=
              std::max<long double>(2 * unit<T> * truth, power[i] == 0 ? 2 * smallest : 0));
        total += power[i];
      }
      CHECK(std::abs(sum - total) <= static_cast<long double>(x.size()) * unit<T> * total);
    }
  }
}

TEST_CASE_TEMPLATE("the exponential of -infinity is 0, of infinity infinity, and of NaN NaN", T, float,
                   double) {
  constexpr T infinite = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  for (const ProcessorLevel& level : processor_levels())
    for (Index count : {1, 2, 3, 16, 33}) {
      std::vector<T> x(static_cast<std::size_t>(3 * count));
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 3 == 0 ? -infinite : i % 3 == 1 ? infinite : nan;
      level.kernels<T>().exponentiate(x.data(), 3 * count, T(1));
      for (std::size_t i = 0; i < x.size(); ++i)
        CHECK((i % 3 == 0 ? x[i] == 0 : i % 3 == 1 ? x[i] == infinite : std::isnan(x[i])));
    }
}

TEST_CASE_TEMPLATE("the largest number is found at every place, and NaN does not count", T, float, double) {
  for (const ProcessorLevel& level : processor_levels())
    for (std::size_t count : {1u, 5u, 16u, 37u})
      for (std::size_t place = 0; place < count; ++place) {
        std::vector<T> x(count, T(-7));
        x[place] = T(-2);
        if (count > 1) x[(place + 1) % count] = std::numeric_limits<T>::quiet_NaN();
        CHECK(level.kernels<T>().largest(x.data(), static_cast<Index>(count)) == T(-2));
      }
  CHECK(tile_kernels<T>().largest(nullptr, 0) == -std::numeric_limits<T>::infinity());
}
