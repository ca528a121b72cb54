#include "reference/oracle/verdict/narrow_numbers.h"

#include <cmath>

namespace ringattn {

namespace {

// Whether the numbers have at most _digits_ binary digits, and every eighth of them as many
bool have_digits(const TensorView<const double>& results, int digits) {
  const Shape& s = results.shape;
  Index finite = 0, use_all = 0;
  for (Index b = 0; b < s.B; ++b)
    for (Index i = 0; i < s.S; ++i)
      for (Index h = 0; h < s.H; ++h)
        for (Index d = 0; d < s.D; ++d) {
          const double x = results(b, i, h, d);
          if (!std::isfinite(x) || x == 0) continue;
          int exponent = 0;
          const double scaled = std::ldexp(std::frexp(x, &exponent), digits);
          if (scaled != std::trunc(scaled)) return false;
          ++finite, use_all += std::fmod(scaled, 2) != 0;
        }
  constexpr Index expected_share = 8;
  return finite > 0 && expected_share * use_all >= finite;
}

}  // namespace

std::optional<Dtype> narrow_type(const TensorView<const double>& results, Dtype stored) {
  if (bytes_per_element(stored) <= bytes_per_element(Dtype::bf16)) return {};
  constexpr int digits_of_bf16 = 8, digits_of_f16 = 11;
  if (have_digits(results, digits_of_bf16)) return Dtype::bf16;
  if (have_digits(results, digits_of_f16)) return Dtype::f16;
  return {};
}

}  // namespace ringattn
