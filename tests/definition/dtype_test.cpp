// Storage types: names, rounding, roundoff.

#include "reference/definition/dtype.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>

#include "reference/definition/random.h"
#include "tests/support/file_fixtures.h"
#include "tests/support/special_values.h"

using namespace ringattn;

namespace {

constexpr Dtype float_dtypes[] = {Dtype::f64, Dtype::f32, Dtype::bf16, Dtype::f16};

}  // namespace

TEST_CASE("rounding is to nearest, ties to even") {
  for (const Dtype dtype : float_dtypes) {
    const double ulp = 2 * unit_roundoff(dtype);  // of numbers between 1 and 2
    INFO(name(dtype));
    CHECK(rounded(1, dtype) == 1);
    CHECK(rounded(1 + ulp, dtype) == 1 + ulp);
    if (dtype == Dtype::f64) continue;  // there is no double between two neighbours
    CHECK(rounded(1 + ulp / 2, dtype) == 1);
    CHECK(rounded(1 + 1.5 * ulp, dtype) == 1 + 2 * ulp);
    CHECK(rounded(-1 - 1.5 * ulp, dtype) == -1 - 2 * ulp);
    CHECK(rounded(1 + 0.49 * ulp, dtype) == 1);
    CHECK(rounded(1 + 0.51 * ulp, dtype) == 1 + ulp);
  }
}

TEST_CASE(
    "a double is rounded once: just above a midpoint it goes up, although float would round to the "
    "midpoint") {
  for (const Dtype dtype : {Dtype::bf16, Dtype::f16}) {
    const double ulp = 2 * unit_roundoff(dtype);
    CHECK(rounded(1 + ulp / 2 + 0x1p-50, dtype) == 1 + ulp);
    CHECK(rounded(1 + 1.5 * ulp - 0x1p-50, dtype) == 1 + ulp);
    CHECK(rounded(-1 - ulp / 2 - 0x1p-50, dtype) == -1 - ulp);
  }
}

TEST_CASE("the relative rounding error is at most the unit roundoff, and reaches it next to 1") {
  Random random(1);
  for (const Dtype dtype : float_dtypes)
    for (int draw = 0; draw < 1000; ++draw) {
      const double x = 1 + random.uniform();
      CHECK(std::abs(rounded(x, dtype) - x) <= unit_roundoff(dtype) * x);
    }
  for (const Dtype dtype : {Dtype::f32, Dtype::bf16, Dtype::f16}) {
    const double x = 1 + unit_roundoff(dtype);
    CHECK(std::abs(rounded(x, dtype) - x) == unit_roundoff(dtype));
  }
}

TEST_CASE("rounding keeps infinities, NaN and the smallest numbers, and overflows to infinity") {
  for (const Dtype dtype : float_dtypes) {
    CHECK(rounded(infinity, dtype) == infinity);
    CHECK(rounded(-infinity, dtype) == -infinity);
    CHECK(std::isnan(rounded(nan_number, dtype)));
  }
  CHECK(rounded(65519, Dtype::f16) == 65504);
  CHECK(rounded(65520, Dtype::f16) == infinity);
  CHECK(rounded(-1e39, Dtype::bf16) == -infinity);
  CHECK(rounded(0x1p-24, Dtype::f16) == 0x1p-24);
  CHECK(rounded(0x1p-133, Dtype::bf16) == 0x1p-133);
  CHECK(rounded(0x1p-25, Dtype::f16) == 0);
  CHECK(rounded(0x1p-25 + 0x1p-70, Dtype::f16) == 0x1p-24);
}

TEST_CASE("every number of bf16 and f16 is unchanged by rounding") {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const auto raw = static_cast<std::uint16_t>(bits);
    const double b = static_cast<float>(Eigen::numext::bit_cast<Eigen::bfloat16>(raw));
    const double h = static_cast<float>(Eigen::numext::bit_cast<Eigen::half>(raw));
    if (!(std::isnan(b) || rounded(b, Dtype::bf16) == b)) FAIL("bf16 ", b);
    if (!(std::isnan(h) || rounded(h, Dtype::f16) == h)) FAIL("f16 ", h);
  }
}

TEST_CASE("a tensor is rounded element by element") {
  Random random(2);
  const Tensor<float> before = normal_tensor<float>({1, 5, 2, 3}, random);
  Tensor<float> after = before;
  round_to(Dtype::bf16, after);
  for (Index i = 0; i < before.size(); ++i) CHECK(after.data()[i] == rounded(before.data()[i], Dtype::bf16));
}

TEST_CASE("the error for an unknown dtype lists the known ones") {
  for (const Dtype dtype : float_dtypes) CHECK(parse_dtype(name(dtype)) == dtype);
  check_message(bad_input_message([] { parse_dtype("fp8"); }), "one of f64, f32, bf16, f16; found \"fp8\"");
  check_message(bad_input_message([] { parse_dtype("i64"); }), "found \"i64\"");
}
